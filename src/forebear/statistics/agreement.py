"""How often models give the same reply to the same prompts, and how unlikely that is.

Replies are numbers here, ``(prompts, models)``: equal numbers in a row are equal replies.
"""

from __future__ import annotations

from math import log

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

Codes = NDArray[np.int64]
_LN10 = log(10.0)


def equal_counts(codes: Codes) -> NDArray[np.int64]:
    """``(models, models)`` prompts to which every two models reply the same; the number of prompts on the diagonal.

    Args:
        codes: ``(prompts, models)``.
    """
    return np.array([(codes == codes[:, [model]]).sum(axis=0) for model in range(codes.shape[1])], dtype=np.int64)


def fair_coins_log10_p(heads: int, tosses: int) -> float:
    """log10 of the chance of at least so many heads of fair coins, exact.

    The sign-flip permutation test of paired indicators: only prompts on which they differ count, and the null gives
    each of these to either side with equal chance.

    Args:
        heads: prompts on which the first indicator alone holds.
        tosses: prompts on which one of the two alone holds.

    Null: which of the two holds is a fair coin, prompt by prompt.
    Source: McNemar, Note on the sampling error of the difference between correlated proportions (1947), exact form.
    """
    if heads <= 0:
        return 0.0
    each = np.arange(heads, tosses + 1)
    logs = gammaln(tosses + 1) - gammaln(each + 1) - gammaln(tosses - each + 1)
    return min(0.0, (float(logsumexp(logs)) - tosses * log(2.0)) / _LN10)
