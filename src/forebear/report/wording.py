"""What a comparison says, in words: pure functions from a result to text, neutral and no stronger than the evidence.

Every sentence here can end up in front of a judge. None speaks of intent, and none names a parent where the weights
show only containment.
"""

from __future__ import annotations

from forebear.report.plain import chance, number
from forebear.verdict.comparison import ClassPower, Comparison, Power, Ranking, Verdict, WeightsClaim
from forebear.verdict.further import MergeClaim

SHARED_START_NOTE = "public default seeds and deterministic initialisation can produce this between unrelated labs"

_HEADLINES: dict[Verdict, str] = {
    "same": "The model and the reference hold the same weights.",
    "derived": "One of the two models descends from the other; the weights alone do not tell which.",
    "related": "The model and the reference share an ancestor; neither contains the whole of the other.",
    "shared start": "The model and the reference began from the same starting weights and were then trained apart.",
    "independent": "No inheritance was found between the model and the reference, within the stated power.",
    "undetermined": "The weights do not decide whether the model and the reference are related.",
}

_DESCENT = {
    "reference to model": "The model descends from the reference, or from a near relative that looks the same.",
    "model to reference": "The reference descends from the model, or from a near relative that looks the same.",
}

_MEANINGS: dict[Verdict, str] = {
    "same": "Once differences of storage, naming and order are undone, every compared value agrees.",
    "derived": (
        "This is containment, not parenthood: a barely changed relative of the true parent would look the same, and a "
        "pair of models cannot tell them apart."
    ),
    "related": (
        "They agree where independent training leaves no reason to agree, yet each holds learned structure that the "
        "other lacks."
    ),
    "shared start": (
        "They agree in what a random start leaves behind and not in what training adds. A very early common ancestor "
        f"would look the same, and {SHARED_START_NOTE}."
    ),
    "independent": "The finding holds for the disguise classes it names and for the stated inheritance, no further.",
    "undetermined": "This says neither that they are related nor that they are independent.",
}


def headline(comparison: Comparison) -> str:
    """The answer in one sentence."""
    if comparison.weights is None:
        return "The weights could not be compared."
    return claim_headline(comparison.weights)


def claim_headline(claim: WeightsClaim) -> str:
    """The answer of one claim (the language tower or another) in one sentence."""
    if claim.verdict == "derived" and claim.direction is not None:
        return _DESCENT[claim.direction]
    return _HEADLINES[claim.verdict]


def paragraph(comparison: Comparison) -> str:
    """The whole answer in one paragraph: what was found, how sure, what it means, what it does not."""
    claim = comparison.weights
    if claim is None:
        reason = comparison.weights_reason or "one side holds no tensors"
        return f"{headline(comparison)} {ended(reason)} {_MEANINGS['undetermined']}"
    return " ".join(filter(None, (claim_headline(claim), claim_detail(claim))))


def claim_detail(claim: WeightsClaim) -> str:
    """Everything the paragraph says after its first sentence."""
    parts = [_likelihood(claim), ended(claim.because), _MEANINGS[claim.verdict]]
    if claim.verdict == "derived" and claim.direction is None and claim.direction_reason:
        parts.append(f"No direction is given: {ended(claim.direction_reason)}")
    if claim.verdict in ("independent", "undetermined"):
        parts.append(power_sentence(claim.power))
    if claim.verdict == "undetermined":
        parts.append(_needed(claim))
    return " ".join(part for part in parts if part)


def power_sentence(power: Power | None) -> str:
    """What would have been found, and for which disguise classes; empty where nothing was testable."""
    if power is None:
        return "No test could be run, so there is no power to state."
    stated = f"{100 * power.stated_share:.3g} % of the neurons at cosine {number(power.stated_cosine)}"
    covered = [name for name, entry in power.classes.items() if covers(entry)]
    open_classes = [name for name in power.classes if name not in covered]
    if not covered:
        return f"Inheritance of {stated} would not have been found reliably in any disguise class."
    text = f"Inheritance of {stated} would have been found with probability at least 0.99 (95 % confidence) for: "
    text += "; ".join(covered) + "."
    if open_classes:
        text += f" Not covered: {'; '.join(open_classes)}."
    return text


def covers(entry: ClassPower) -> bool:
    """Whether the stated inheritance was found in every draw."""
    return bool(entry.draws) and entry.detected == entry.draws


def towers_told(comparison: Comparison, claim: WeightsClaim) -> dict[str, WeightsClaim]:
    """Every tower's claim, that of the tower which speaks for the whole first.

    Args:
        comparison: the result.
        claim: its ``weights``: of the language tower, or of an encoder where a side has no language tower.
    """
    families = (comparison.model.family, comparison.reference.family)
    return {"language" if all(families) else "main": claim, **comparison.towers}


def ranking_headline(ranking: Ranking) -> str:
    """The answer of a ranking in one sentence."""
    total = len(ranking.comparisons)
    if not total:
        return "No reference was compared."
    counts = {word: sum(each.verdict == word for each in ranking.comparisons) for word in _HEADLINES}
    told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    noun = "reference" if total == 1 else "references"
    return f"The model was compared with {total} {noun}: {told}."


def ended(sentence: str) -> str:
    """A sentence that begins with a capital letter and ends with a full stop; empty stays empty."""
    text = sentence.strip()
    if not text:
        return ""
    text = text[0].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _likelihood(claim: WeightsClaim) -> str:
    if claim.log10_p is None:
        return ""
    if claim.verdict in ("derived", "related", "shared start"):
        return (
            "Had the two been trained independently, agreement this strong would have a chance of "
            f"{chance(claim.log10_p)}, given the symmetry."
        )
    if claim.verdict == "same":
        return ""
    return f"Independent models show agreement as strong as this with a chance of {chance(claim.log10_p)}."


def _needed(claim: WeightsClaim) -> str:
    refused = [ended(finding.reason) for finding in claim.findings if finding.reason]
    if not refused:
        return ""
    distinct = list(dict.fromkeys(refused))[:3]
    return "A decision would need what these tests lacked: " + " ".join(distinct)


def further_told(comparison: Comparison) -> dict[str, str]:
    """What the claims beside that of the weights say, by heading; empty where no further model was declared."""
    told = {}
    beyond, merge = comparison.beyond_base, comparison.merge
    if beyond is not None:
        direction = f" ({beyond.direction})" if beyond.direction else ""
        basis = f"; {beyond.calibration.basis}" if beyond.calibration else ""
        told["Beyond the declared base"] = f"{beyond.verdict}{direction}: {beyond.because}{basis}."
    if merge is not None:
        shares = ", ".join(f"{source} {_weight(merge, source)}" for source in merge.weights)
        amounts = f" Method {merge.method}; weights: {shares}." if merge.merged else ""
        others = f" It may also be that {' or that '.join(merge.alternatives)}." if merge.alternatives else ""
        told["Merged from several"] = f"{'yes' if merge.merged else 'not shown'}: {merge.because}.{amounts}{others}"
    return told


def _weight(merge: MergeClaim, source: str) -> str:
    low, high = merge.intervals[source]
    density = merge.densities.get(source)
    kept = f", density {number(density[0])}" if density else ""
    return f"{number(merge.weights[source])} ({number(low)} to {number(high)}{kept})"
