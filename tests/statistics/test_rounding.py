from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebear.statistics.rounding import rounding_energy, steps

TYPES = {"BF16": ml_dtypes.bfloat16, "F16": np.float16, "F32": np.float32, "F8_E4M3": ml_dtypes.float8_e4m3fn}


@given(st.sampled_from(sorted(TYPES)), st.floats(0.02, 100.0))
def test_the_step_is_the_distance_to_the_next_value(storage: str, value: float) -> None:
    stored = np.asarray(value).astype(TYPES[storage])
    following = np.nextafter(stored, np.asarray(400.0).astype(stored.dtype))
    assert steps(stored.astype(np.float64), storage) == pytest.approx(float(following) - float(stored), rel=1e-6)


def test_expected_rounding_is_what_rounding_does() -> None:
    values = np.random.default_rng(0).standard_normal(100_000)
    error = values - values.astype(ml_dtypes.bfloat16).astype(np.float64)
    assert rounding_energy(values, "BF16") == pytest.approx(float(error @ error), rel=0.02)
