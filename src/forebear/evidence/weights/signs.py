"""T2: do the signs of gated neurons agree once neurons are matched by their gate rows alone?

A gated neuron computes down * act(gate . x) * (up . x): flipping up and down together changes nothing, so between
strangers the sign is a fair coin whatever the matching. Survives permuted and rescaled neurons.
"""

from __future__ import annotations

from math import log10

import numpy as np

from forebear.alignment.sampled import Ffn, Missing
from forebear.evidence.finding import Finding, listed
from forebear.evidence.registry import test
from forebear.evidence.weights.assumptions import EXCHANGEABLE, FAIR_COINS, INDEPENDENT_LAYERS
from forebear.evidence.weights.pair import Pair
from forebear.statistics.arrays import Floats, row_cosines, unit_rows
from forebear.statistics.matching import mutual_nearest
from forebear.statistics.signs import SignAgreement, sign_agreement

RELABELLED = "relabelled"


@test(strand="weights", needs=Pair, order=20)
def gated_signs(pair: Pair) -> Finding:
    """Signs of up and down rows over neurons matched by gate."""
    name, title = "t2.signs", "Do the signs of gated neurons agree, neurons matched by gate rows alone?"
    assumptions = pair.assumptions(EXCHANGEABLE, FAIR_COINS, INDEPENDENT_LAYERS)
    refused = pair.broken(check for check in assumptions if not check.name.startswith(INDEPENDENT_LAYERS))
    if refused is not None:
        return Finding(name, title, reason=refused, answers=RELABELLED, assumptions=assumptions)
    coins, reasons = _coins_by_layer(pair)
    thrown = [coin for layer in coins.values() for coin in layer]
    agreement = sign_agreement(np.concatenate(thrown), pair.alignment.rng(name)) if thrown else None
    if agreement is None:
        reason = listed(reasons) or "no gated FFN on both sides"
        return Finding(name, title, reason=reason, answers=RELABELLED, assumptions=assumptions)
    return Finding(
        name,
        title,
        value=agreement.z,
        log10_p=_log10_p(pair, thrown, agreement),
        answers=RELABELLED,
        effect={"agreeing_share": agreement.agreeing, "coins": float(agreement.coins)},
        by_layer=[_layer_z(coins.get(layer, [])) for layer in pair.alignment.layers],
        assumptions=assumptions,
    )


def matched_coins(mine: Ffn, yours: Ffn) -> Floats:
    """Signed coins of the neurons matched by gate: gate cosine squared times the sum of up and down cosines."""
    if mine.gate is None or yours.gate is None:
        return np.zeros(0, dtype=np.float32)
    similarity = unit_rows(mine.gate) @ unit_rows(yours.gate).T
    rows, columns = mutual_nearest(similarity)
    weight = np.square(np.maximum(similarity[rows, columns], 0.0))
    product = row_cosines(mine.up[rows], yours.up[columns]) + row_cosines(mine.down[rows], yours.down[columns])
    return weight * product


def _coins_by_layer(pair: Pair) -> tuple[dict[int, list[Floats]], list[str]]:
    coins: dict[int, list[Floats]] = {}
    reasons = []
    for place in pair.alignment.places():
        found = pair.alignment.ffns(place)
        if isinstance(found, Missing):
            reasons.append(found.reason)
        elif (thrown := matched_coins(*found)).size:
            coins.setdefault(place.layer, []).append(thrown)
    return coins, reasons


def _log10_p(pair: Pair, thrown: list[Floats], together: SignAgreement) -> float:
    """Joint p-value; Bonferroni over FFNs where both models repeat their draws, since copies repeat their coins."""
    if not pair.layers_share_labels:
        return together.log10_p
    rng = pair.alignment.rng("t2.signs single")
    single = [found.log10_p for coins in thrown if (found := sign_agreement(coins, rng)) is not None]
    return min(0.0, min(single) + log10(len(single)))


def _layer_z(coins: list[Floats]) -> float | None:
    values = np.concatenate(coins) if coins else np.zeros(0)
    spread = float(np.sqrt(np.square(values).sum()))
    return float(values.sum() / spread) if spread > 0.0 else None
