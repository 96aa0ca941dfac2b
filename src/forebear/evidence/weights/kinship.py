"""Do the embeddings of shared tokens lie alike, whatever the rotation? An effect size, not a p-value.

Inner products of token embeddings do not change when the residual stream is relabelled, flipped or rotated. Tokens
mean the same to everyone, so strangers agree in the directions that lead; those are left out. Seen in a sample of
tokens, where the map of the stream itself cannot be fitted.
"""

from __future__ import annotations

import numpy as np

from forebear.alignment.sampled import Missing
from forebear.anatomy.parts import Part, Role
from forebear.evidence.finding import Finding
from forebear.evidence.registry import test
from forebear.evidence.weights.pair import Pair
from forebear.statistics.arrays import Floats, centred, unit_rows
from forebear.statistics.leading import leading_directions

NAME = "t4.embedding"

KIN = 0.1
"""Agreement above which embeddings are read as inherited. Strangers of the tuned-on families reach 0.04, models from
one random start trained on different text 0.17; `python -m benchmarks.accuracy controls` prints both."""

LEADING = 32
FEWEST_TOKENS = 128
_MOST_TOKENS = 512


@test(strand="weights", needs=Pair, order=41)
def embedding_kinship(pair: Pair) -> Finding:
    """Correlation of inner products of token embeddings, leading directions left out; calibrated, not exact."""
    title = "Do embeddings of shared tokens lie alike under any rotation? (calibrated, not exact)"
    found = pair.alignment.matrices(Part(Role.EMBEDDING))
    if isinstance(found, Missing):
        return Finding(NAME, title, reason=found.reason)
    mine, yours = (side[:_MOST_TOKENS].astype(np.float64) for side in found)
    if mine.shape[0] < FEWEST_TOKENS:
        return Finding(NAME, title, reason=f"only {mine.shape[0]} tokens are shared, {FEWEST_TOKENS} are needed")
    return Finding(NAME, title, value=token_agreement(mine, yours), effect={"tokens": float(mine.shape[0])})


def speaks_of_kinship(finding: Finding) -> bool:
    """Whether embeddings agree beyond what strangers were seen to."""
    return finding.test == NAME and finding.value is not None and finding.value >= KIN


def token_agreement(mine: Floats, yours: Floats) -> float:
    """Correlation of the cosines between tokens of one side with those of the other.

    Args:
        mine, yours: ``(tokens, coordinates)``, the same tokens; widths may differ.
    """
    first, second = (_cosines(side) for side in (mine, yours))
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / lengths if lengths > 0.0 else 0.0


def _cosines(rows: Floats) -> Floats:
    shifted = centred(rows)
    leading = leading_directions(shifted, min(LEADING, min(rows.shape) // 2))
    directions = unit_rows(shifted - (shifted @ leading) @ leading.T)
    upper = np.triu_indices(rows.shape[0], 1)
    cosines: Floats = (directions @ directions.T)[upper]
    around: Floats = cosines - cosines.mean()
    return around
