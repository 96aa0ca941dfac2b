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


def log_shares(counts: Codes, prompts: int) -> Floats:
    """Natural logarithm of each share of equal replies, finite for none: half a prompt is added to both sides.

    Args:
        counts: ``(models, models)`` from `equal_counts`.
        prompts: how many were asked.
    """
    return np.asarray(np.log((counts + 0.5) / (prompts + 1.0)))


def beyond_habit(figures: Floats) -> Floats:
    """What is between two models alone, once what either has with all others is taken out.

    Models that say what most say agree with everyone, those that learned other text with nobody. The residual of a
    least-squares fit of ``mean + a_i + a_j`` over pairs; of logarithms of shares, so that habits multiply: two models
    that say the popular thing with chances p and q agree on it with chance p q.

    Args:
        figures: ``(..., models, models)`` symmetric; the diagonal is not looked at. Three models or more.

    Returns:
        ``(..., models, models)``, symmetric, with zeros on the diagonal; each row sums to zero.
    """
    models = figures.shape[-1]
    off = ~np.eye(models, dtype=bool)
    rows = np.where(off, figures, 0.0).sum(axis=-1)
    mean = rows.sum(axis=-1, keepdims=True) / (models * (models - 1))
    habits = (rows - (models - 1) * mean) / (models - 2)
    found = figures - mean[..., None] - habits[..., :, None] - habits[..., None, :]
    return np.where(off, found, 0.0)


def habit_scores(codes: Codes, shares: Floats, first: Codes, second: Codes) -> Floats:
    """What each prompt adds to `beyond_habit` of the logarithms of shares, to first order.

    The logarithm of a share moves by ``1 / share`` times what the share moves by; the rest is linear. The spread over
    prompts is that of the figure, times the number of prompts.

    Args:
        codes: ``(prompts, models)``.
        shares: ``(models, models)`` of equal replies, above 0.
        first: ``(pairs,)`` columns of one model each.
        second: ``(pairs,)`` columns of the other.

    Returns:
        ``(prompts, pairs)``.
    """
    models = codes.shape[1]
    weights = np.where(np.eye(models, dtype=bool), 0.0, 1.0 / shares)
    rows = np.stack([(codes == codes[:, [model]]) @ weights[model] for model in range(models)], axis=1)
    mean = rows.sum(axis=1, keepdims=True) / (models * (models - 1))
    habits = (rows - (models - 1) * mean) / (models - 2)
    same = codes[:, first] == codes[:, second]
    return np.asarray(same * weights[first, second] - mean - habits[:, first] - habits[:, second])
