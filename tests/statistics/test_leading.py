from __future__ import annotations

import numpy as np
import pytest

from forebear.statistics.leading import leading_directions


@pytest.mark.parametrize(("n", "p"), [(300, 40), (60, 900), (900, 700)])
def test_directions_are_orthonormal_and_hold_what_the_leading_singular_vectors_hold(n: int, p: int) -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((n, p)) + 3.0 * rng.standard_normal((n, 4)) @ rng.standard_normal((4, p))
    found = leading_directions(rows, 4)
    exact = np.linalg.svd(rows, full_matrices=False)[2][:4]
    np.testing.assert_allclose(found.T @ found, np.eye(4), atol=1e-8)
    np.testing.assert_allclose(np.linalg.norm(exact @ found), 2.0, rtol=1e-6)
