"""How often models give the same reply to the same prompts, and how unlikely that is.

Replies are numbers here, ``(prompts, models)``: equal numbers in a row are equal replies.
"""

from __future__ import annotations

from math import log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

from forebear.statistics.arrays import Floats
from forebear.statistics.poisson_binomial import log10_upper_tail

Codes = NDArray[np.int64]
Z_95 = 1.959963984540054
_LN10 = log(10.0)


def equal_counts(codes: Codes) -> NDArray[np.int64]:
    """``(models, models)`` prompts to which every two models reply the same; the number of prompts on the diagonal.

    Args:
        codes: ``(prompts, models)``.
    """
    return np.array([(codes == codes[:, [model]]).sum(axis=0) for model in range(codes.shape[1])], dtype=np.int64)


def wilson_interval(count: int, whole: int) -> tuple[float, float]:
    """95 % interval of a share.

    Args:
        count: of ``whole``.
        whole: one or more.

    Assumptions: independent draws.
    Source: Wilson, Probable inference, the law of succession, and statistical inference (1927).
    """
    share, square = count / whole, Z_95**2
    middle = (share + square / (2 * whole)) / (1 + square / whole)
    half = Z_95 / (1 + square / whole) * sqrt(share * (1 - share) / whole + square / (4 * whole**2))
    return max(0.0, middle - half), min(1.0, middle + half)


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


def exchange_chances(codes: Codes) -> Floats:
    """``(prompts,)`` chance that two models drawn at random hold the same reply, given all that were given.

    Args:
        codes: ``(prompts, models)``, two models or more.
    """
    models = codes.shape[1]
    # Each reply's count minus one, summed over models, is the sum over replies of n (n - 1).
    same = (codes[:, :, None] == codes[:, None, :]).sum(axis=(1, 2)) - models
    return np.asarray(same / (models * (models - 1)), dtype=np.float64)


def exchange_log10_p(equal: int, chances: Floats) -> float:
    """log10 of the chance of so many equal replies, were it arbitrary which model gave which reply.

    Args:
        equal: prompts to which the two reply the same.
        chances: from `exchange_chances`, both models among those counted.

    Null: prompt by prompt and independently, the replies seen are dealt to the models at random. Models that are good
    at the task, or share a tokenizer, break it without kinship: read it beside what strangers score.
    """
    return log10_upper_tail(equal, chances)


def dealt_at_most(equal: int, chances: Floats) -> float:
    """A bound on `exchange_log10_p` from above, at no cost: where it suffices, the exact tail need not be known.

    Source: Bernstein's inequality for sums of independent variables between 0 and 1.
    """
    above = equal - float(chances.sum())
    variance = float(np.sum(chances * (1.0 - chances)))
    return -(above**2) / (2.0 * (variance + above / 3.0)) / _LN10 if above > 0.0 else 0.0


def beyond_habit(share: Floats) -> Floats:
    """Agreement of every two models beyond what either has with all others.

    Models that say what most say agree with everyone; what is left is between the two alone. With r the mean of a
    model's row without itself, the residual of an additive fit over pairs.

    Args:
        share: ``(models, models)`` symmetric; the diagonal is not looked at. Three models or more.

    Returns:
        ``(models, models)``, symmetric, with zeros on the diagonal; each row sums to zero.
    """
    models = len(share)
    off = ~np.eye(models, dtype=bool)
    rows = np.where(off, share, 0.0).sum(axis=1)
    mean = rows.sum() / (models * (models - 1))
    # Least squares of a_i + a_j on all pairs: row sums minus what the grand mean gives, over models - 2.
    habits = (rows - (models - 1) * mean) / (models - 2)
    return np.where(off, share - mean - habits[:, None] - habits[None, :], 0.0)
