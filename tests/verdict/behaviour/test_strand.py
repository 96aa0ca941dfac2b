"""Behaviour beside the weights: the strand, the sentence that reconciles the two, and the replay."""

from __future__ import annotations

import json
from itertools import product

import pytest

import forebear
from forebear.cli import run
from forebear.errors import UsageError
from forebear.report import json as results
from forebear.report.replay import replay
from forebear.verdict.behaviour.strand import reconciled
from forebear.verdict.comparison import VERDICTS
from tests.evidence.behaviour.panels import founders, zoo_answers
from tests.models import ZOO


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("answers")
    found = []
    for name in ("gated/g00-distilled", "gated/g00", *founders("gated", ["gated/g00"])[:11]):
        path = folder / f"{name.split('/')[1]}.jsonl"
        lines = [
            json.dumps({"id": each.id, "answer": each.value, "gold": each.gold})
            for each in zoo_answers("free")[name].items.values()
        ]
        path.write_text("\n".join(lines))
        found.append(str(path))
    return found


def test_a_distilled_student_is_related_in_behaviour_and_independent_in_weights(answers, tmp_path):
    model, reference = str(ZOO / "gated/g00-distilled"), str(ZOO / "gated/g00")
    result = forebear.compare(model, reference, only=["weights"], behaviour=answers)
    assert result.verdict == "independent"
    strand = result.strands["behaviour"]
    assert strand["verdict"] == "related"
    assert "distillation" in strand["beside_the_weights"]
    assert "not inherited" in strand["beside_the_weights"]
    assert strand["pair"]["log10_p"] < -3
    assert len(strand["agreements"]) == 2
    path = tmp_path / "result.json"
    path.write_text(results.encode(result))
    assert replay(path).identical


def test_one_file_and_several_references_are_refused_at_once(answers):
    with pytest.raises(UsageError, match="--behaviour"):
        forebear.compare("nowhere", "nowhere", behaviour=answers[:1])
    with pytest.raises(UsageError, match="single reference"):
        forebear.rank("nowhere", ["nowhere", "elsewhere"], behaviour=answers)


@pytest.mark.parametrize(
    ("behaviour_says", "weights_say"), [*product(("related", "independent", "undetermined"), (*VERDICTS, None))]
)
def test_every_two_verdicts_have_a_sentence(behaviour_says, weights_say):
    sentence = reconciled(behaviour_says, weights_say)
    assert sentence[0].isupper() and not sentence.endswith(".")
    if (behaviour_says, weights_say) == ("related", "independent"):
        assert all(word in sentence for word in ("distillation", "shared data", "test both have seen"))


def test_the_strand_stands_in_the_report_and_on_the_page(answers, tmp_path, capsys):
    page = tmp_path / "page.html"
    model, reference = str(ZOO / "gated/g00-distilled"), str(ZOO / "gated/g00")
    code = run(["compare", model, reference, "--only", "weights", "--html", str(page), "--behaviour", *answers])
    assert code == 0
    assert "behaviour: related" in capsys.readouterr().out
    assert "were not inherited" in " ".join(page.read_text().split())
