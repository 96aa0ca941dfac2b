from math import inf
from pathlib import Path

import pytest

from benchmarks.accuracy.cases.chosen import Case, chosen, kinds
from benchmarks.accuracy.cases.kind import BACKWARD, FORWARD, Kind, Lineage, NotBuiltError, Pair, Truth
from benchmarks.accuracy.cases.report import report
from benchmarks.accuracy.cases.run import Outcome, judged, recovered, run
from benchmarks.accuracy.options import Options
from forebear.errors import UsageError
from forebear.verdict.comparison import Direction, WeightsClaim
from forebear.zoo.folder import read_config, read_tensors
from forebear.zoo.recipes import HELD_OUT

GATED = Lineage("gated", "g02")
CASE = Case("noise 0.5", GATED)


def made(name: str, room: Path, lineage: Lineage = GATED) -> Pair:
    return kinds()[name].make(lineage, room)


def outcome(claim: WeightsClaim, truth: Truth, pair: Pair | None = None) -> Outcome:
    unread = Path("unread")
    kind = Kind("noise 0.5", "noise", lambda lineage, room: Pair(room, room), truth, bases={"gated": "exact"})
    return judged(CASE, kind, pair or Pair(unread, unread), claim)


class TestChosen:
    def test_there_are_at_least_fifty_kinds_of_descent(self) -> None:
        assert sum(kind.group != "strangers" for kind in kinds().values()) >= 50

    def test_both_splits_together_are_everything(self) -> None:
        held, tuned = chosen(Options(split="held-out")), chosen(Options(split="tuned-on"))
        assert not set(held) & set(tuned)
        assert set(held) | set(tuned) == set(chosen(Options()))

    def test_held_out_cases_touch_no_lineage_that_levels_were_set_on(self) -> None:
        for case in chosen(Options(split="held-out")):
            assert {case.lineage.founder, case.lineage.other or case.lineage.founder} <= HELD_OUT

    def test_held_out_strangers_are_at_least_105_pairs(self) -> None:
        strangers = [one for one in chosen(Options(split="held-out")) if kinds()[one.kind].group == "strangers"]
        assert len(strangers) >= 105

    def test_three_held_out_founders_of_each_kind_of_descent(self) -> None:
        found = chosen(Options(split="held-out", family="gated", kinds=("permuted heads", "finetuned")))
        assert {one.lineage.founder for one in found if one.kind == "permuted heads"} == {"g02", "g03", "g04"}

    def test_quick_takes_one_founder_a_family(self) -> None:
        found = chosen(Options(quick=True, kinds=("strangers",)))
        assert len(found) == len({(one.kind, one.lineage.family) for one in found})

    def test_refuses_a_kind_that_is_not_there(self) -> None:
        with pytest.raises(UsageError, match="no kind of case"):
            chosen(Options(kinds=("nothing of the sort",)))


class TestMaking:
    def test_layer_map_is_that_of_the_surgery(self, tmp_path: Path) -> None:
        assert made("layers dropped", tmp_path).layers == (0, 2, 4)

    def test_inserted_layers_have_no_source(self, tmp_path: Path) -> None:
        assert made("layers inserted, fresh", tmp_path).layers == (0, 1, None, 2, 3, 4, None)

    def test_resharded_copies_hold_the_same_values(self, tmp_path: Path) -> None:
        pair = made("resharded", tmp_path)
        mine, yours = read_tensors(pair.model), read_tensors(pair.reference)
        assert len(list(pair.model.glob("*.safetensors"))) == 3
        assert mine.keys() == yours.keys() and all((mine[name] == yours[name]).all() for name in mine)

    def test_absolute_noise_tells_its_amount(self, tmp_path: Path) -> None:
        pair = made("noise 0.1, absolute", tmp_path)
        assert pair.sigma is not None and pair.sigma[0] == "sigma" and 0.0 < pair.sigma[1] < 0.1

    def test_a_vocabulary_has_its_tokenizer_beside_it(self, tmp_path: Path) -> None:
        pair = made("vocabulary reordered", tmp_path)
        texts = [(folder / "tokenizer.json").read_text(encoding="utf-8") for folder in (pair.model, pair.reference)]
        assert texts[0] != texts[1]

    def test_experts_replace_the_ffn(self, tmp_path: Path) -> None:
        pair = made("upcycled, copied", tmp_path)
        assert read_config(pair.model)["num_experts"] == 4

    def test_says_which_model_is_not_built(self, tmp_path: Path) -> None:
        with pytest.raises(NotBuiltError, match="gated/g05-finetuned"):
            made("finetuned", tmp_path, Lineage("gated", "g05"))


class TestJudging:
    def test_wrong_word_is_a_fault(self) -> None:
        found = outcome(WeightsClaim("independent", "because"), Truth(("derived",)))
        assert not found.right and not found.undetermined and found.faults == ["independent"]

    def test_undetermined_is_counted_apart(self) -> None:
        assert outcome(WeightsClaim("undetermined", "because"), Truth(("derived",))).undetermined

    @pytest.mark.parametrize(
        ("said", "truth", "right"),
        [(FORWARD, FORWARD, True), (BACKWARD, FORWARD, False), (FORWARD, None, False), (None, FORWARD, None)],
    )
    def test_direction_is_judged_where_named(
        self, said: Direction | None, truth: str | None, right: bool | None
    ) -> None:
        claim = WeightsClaim("derived", "because", basis="exact", direction=said)
        assert outcome(claim, Truth(("derived",), truth)).direction_right is right

    @pytest.mark.parametrize(("way", "right"), [("width", True), ("width: neurons", True), ("width: hidden", False)])
    def test_a_step_is_found_by_name_and_by_what_it_acts_on(self, way: str, right: bool) -> None:
        claim = WeightsClaim("derived", "because", recipe=[{"step": "width", "what": "neurons"}])
        assert outcome(claim, Truth(("derived",), steps=(way,))).step_right is right

    def test_layer_map_must_be_exact(self) -> None:
        pair = Pair(Path("unread"), Path("unread"), (0, None, 1))
        right = outcome(WeightsClaim("derived", "because", layer_map=[0, None, 1]), Truth(("derived",)), pair)
        wrong = outcome(WeightsClaim("derived", "because", layer_map=[0, 1, 1]), Truth(("derived",)), pair)
        assert (right.layers_right, wrong.layers_right) == (True, False)

    @pytest.mark.parametrize(("name", "error"), [("relative_sigma", 0.1), ("sigma", inf)])
    def test_noise_must_be_told_in_its_own_unit(self, name: str, error: float) -> None:
        pair = Pair(Path("unread"), Path("unread"), sigma=("relative_sigma", 0.5))
        claim = WeightsClaim("derived", "because", recipe=[{"step": "noise", name: 0.55}])
        assert outcome(claim, Truth(("derived",)), pair).sigma_error == pytest.approx(error)

    def test_basis_is_that_of_the_family(self) -> None:
        claim = WeightsClaim("derived", "because", basis="calibrated, not exact")
        assert outcome(claim, Truth(("derived",))).basis_right is False


class TestReport:
    def test_counts_by_kind_and_names_what_is_missing(self) -> None:
        right = Outcome(CASE, "derived", right=True, direction_right=True, log10_p=-80.0)
        wrong = Outcome(Case("noise 0.5", Lineage("gated", "g03")), "independent", "no test fires")
        absent = Outcome(Case("finetuned", Lineage("plain", "p04")), missing="plain/p04-finetuned")
        kind, sums, faults, missing = report([right, wrong, absent])
        assert list(kind.rows[0][:3]) == ["noise 0.5", 1, 2]
        assert list(sums.rows[-1][:6]) == ["held-out", "all", 1, 2, 1, 1]
        assert faults.rows[0][1] == "noise 0.5 (g03)" and "no test fires" in faults.rows[0]
        assert missing.rows == [["plain/p04-finetuned", 1]]

    def test_lineages_are_told_apart(self) -> None:
        tuned = Outcome(Case("noise 0.5", Lineage("gated", "g00")), "derived", right=True)
        titles = [table.title for table in report([tuned, Outcome(CASE, "derived", right=True)])]
        assert titles[0].startswith("Cases, held-out") and titles[1].startswith("Cases, tuned-on")


class TestNames:
    def test_every_tensor_the_reference_stores_is_asked_for(self, tmp_path: Path) -> None:
        pair = made("names scrambled", tmp_path)
        assert pair.names is not None and pair.names.keys() == read_tensors(pair.model).keys()
        assert set(pair.names.values()) == read_tensors(pair.reference).keys()

    def test_a_name_that_is_not_told_of_is_taken_at_its_word(self) -> None:
        told = {"names": [{"model": "b", "reference": "x"}, {"model": "c", "reference": "y"}]}
        assert recovered(told, {"a": "a", "b": "x", "c": "z"}) == (2, 3)
        assert recovered(None, {"a": "a", "b": "x"}) == (1, 2)


def test_an_error_of_the_comparison_is_an_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise UsageError("nothing can be said")

    monkeypatch.setattr("benchmarks.accuracy.cases.run.compare", refuse)
    found = run(Case("identical", GATED))
    assert found.verdict == "refused" and "nothing can be said" in found.because and not found.right
