import msgspec
import pytest

from forebear.report import plain, wording
from forebear.verdict.comparison import Comparison
from tests.report import examples

BARRED = ("suspect", "theft", "stole", "plagiar", "proof", "proves", "guilt")


@pytest.mark.parametrize("result", examples.every_kind(), ids=lambda each: each.verdict)
def test_wording_is_neutral_and_whole(result: Comparison) -> None:
    text = wording.paragraph(result)
    assert not any(word in text.lower() for word in BARRED)
    assert text.endswith(".")
    assert ".." not in text
    assert "None" not in text
    assert wording.headline(result) in text


def test_a_shared_start_always_carries_its_note() -> None:
    note = "public default seeds and deterministic initialisation can produce this between unrelated labs"
    assert note in wording.paragraph(examples.comparison("shared start"))


def test_derived_speaks_of_containment_and_names_the_direction() -> None:
    downward = wording.paragraph(examples.comparison("derived", "reference to model"))
    upward = wording.paragraph(examples.comparison("derived", "model to reference"))
    neither = wording.paragraph(examples.comparison("derived"))
    assert downward.startswith("The model descends from the reference")
    assert upward.startswith("The reference descends from the model")
    assert "do not tell which" in neither
    assert all("containment, not parenthood" in text for text in (downward, upward, neither))


def test_the_cap_is_spelled_with_its_condition() -> None:
    assert "at most 1 in 10^300, given the symmetry" in wording.paragraph(examples.comparison("derived"))


def test_independent_names_its_classes_and_the_open_ones() -> None:
    text = wording.paragraph(examples.comparison("independent"))
    assert "labels kept; relabelled" in text
    assert "Not covered: all (no exact test remains for this class)." in text
    assert "30 % of the neurons at cosine 0.5" in text


def test_a_calibrated_verdict_gives_no_chance_but_what_strangers_reach() -> None:
    text = wording.paragraph(examples.disguised())
    assert "so none is given" in text
    assert "Of 93 pairs of unrelated models measured alike none reached that" in text
    assert "1 in 94" in text
    assert "given the symmetry" not in text


def test_a_calibrated_verdict_without_controls_claims_no_number() -> None:
    claim = msgspec.structs.replace(examples.claim("derived"), basis="calibrated, not exact", log10_p=None)
    told = wording.claim_detail(claim)
    assert "the verdict rests on a calibrated measure." in told
    assert "1 in" not in told


def test_the_basis_is_told_where_something_fired() -> None:
    exact = msgspec.structs.replace(examples.claim("related"), basis="exact")
    assert wording.basis_told(exact).startswith("exact: ")
    assert wording.basis_told(msgspec.structs.replace(exact, verdict="undetermined")) == ""
    assert wording.basis_told(examples.claim("independent")) == ""


def test_the_answer_says_whose_it_is_where_there_are_towers() -> None:
    towers = {"vision": examples.claim("independent")}
    text = wording.paragraph(msgspec.structs.replace(examples.comparison("derived"), towers=towers))
    assert "This is the answer for the language tower." in text
    assert "(vision: independent)" in text
    assert "tower" not in wording.paragraph(examples.comparison("derived"))


def test_both_layouts_are_paid_for() -> None:
    claim = examples.claim("derived")
    again = [msgspec.structs.replace(each, frame="fitted") for each in claim.findings]
    assert "the chance given pays for both" not in wording.claim_detail(claim)
    both = msgspec.structs.replace(claim, findings=[*claim.findings, *again])
    assert "the chance given pays for both" in wording.claim_detail(both)


def test_power_with_a_condition_says_which() -> None:
    power = examples.power()
    entry = msgspec.structs.replace(power.classes["relabelled"], reason="given that embeddings were inherited")
    text = wording.power_sentence(msgspec.structs.replace(power, classes=power.classes | {"relabelled": entry}))
    assert "relabelled (given that embeddings were inherited)." in text


def test_power_that_covers_nothing_is_said() -> None:
    power = examples.power()
    classes = {name: msgspec.structs.replace(each, detected=298) for name, each in power.classes.items()}
    text = wording.power_sentence(msgspec.structs.replace(power, classes=classes))
    assert "would not have been found reliably in any disguise class" in text


def test_undetermined_says_what_it_lacked() -> None:
    assert "The residual widths differ." in wording.paragraph(examples.comparison("undetermined"))


def test_without_weights_the_reason_is_given() -> None:
    text = wording.paragraph(examples.without_weights())
    assert text.startswith("The weights could not be compared. The model holds no tensors")


@pytest.mark.parametrize(
    ("log10_p", "words"),
    [
        (-300.0, "at most 1 in 10^300"),
        (-41.7, "at most 1 in 10^41"),
        (-3.0, "about 1 in 1,000"),
        (-0.3010299957, "about 50 in 100"),
        (0.0, "about 100 in 100"),
    ],
)
def test_chances_are_spelled_for_readers(log10_p: float, words: str) -> None:
    assert plain.chance(log10_p) == words


def test_a_ranking_is_summed_up() -> None:
    assert wording.ranking_headline(examples.ranking()) == (
        "The model was compared with 2 references: 1 derived, 1 independent."
    )
