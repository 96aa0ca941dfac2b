"""Local checkpoints speak as their class speaks, whatever else is in the batch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

from forebear.errors import UsageError
from forebear.evidence.activations import speaking
from forebear.evidence.activations.classes import Loaded, UnprobeableError, loaded
from forebear.evidence.activations.speaking import ask_local
from forebear.evidence.profiles.side import ProfiledSide
from forebear.responses.prompts import Prompt, Prompts
from forebear.responses.transcript import Settings, Transcript
from forebear.responses.transcript_file import read_transcript
from forebear.zoo import corpus
from forebear.zoo.folder import read_config, read_tensors
from tests.evidence.activations.probing import ZOO, written, zoo

TOKENIZER = (ZOO / "tokenizer.json").read_text(encoding="utf-8")
WORDS = corpus.text("A").split()
PROMPTS = Prompts("zoo", [Prompt(str(at), " ".join(WORDS[at : at + 4 + at % 7])) for at in range(0, 24_000, 2_000)])


def ask(
    side: ProfiledSide, path: Path, prompts: Prompts = PROMPTS, tokenizer: str | None = TOKENIZER, **how: Any
) -> Transcript:
    settings = Settings(**({"kind": "local", "max_tokens": 6} | how))
    return ask_local(side, prompts, settings, path, tokenizer=tokenizer)


@cache
def pretrained(name: str) -> Any:
    return AutoModelForCausalLM.from_pretrained(ZOO / name, dtype=torch.float32)


def generated(name: str, text: str, count: int) -> str:
    """What transformers itself makes of a prompt, one at a time."""
    encoder = Tokenizer.from_str(TOKENIZER)
    ids = encoder.encode(text).ids
    model = pretrained(name)
    given = torch.tensor([ids])
    out = model.generate(
        given, attention_mask=torch.ones_like(given), max_new_tokens=count, do_sample=False, pad_token_id=0
    )
    found: str = encoder.decode(out[0, len(ids) :].tolist())
    return found


def test_greedy_replies_are_those_of_the_class(tmp_path: Path) -> None:
    found = ask(zoo("gated/g00"), tmp_path / "t.jsonl")
    assert not found.missing
    for prompt in PROMPTS.prompts[:5]:
        assert found.texts(prompt.id) == [generated("gated/g00", prompt.text, 6)]
    assert read_transcript(tmp_path / "t.jsonl").digest == found.digest


@contextmanager
def counted(calls: list[tuple[int, ...]], side: ProfiledSide) -> Iterator[Loaded]:
    with loaded(side) as model:
        model.module.register_forward_pre_hook(
            lambda _, __, named: calls.append(tuple(named["input_ids"].shape)), with_kwargs=True
        )
        yield model


def test_a_single_token_takes_a_single_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, ...]] = []
    monkeypatch.setattr(speaking, "loaded", lambda side: counted(calls, side))
    found = ask(zoo("plain/p00"), tmp_path / "t.jsonl", max_tokens=1)
    assert sum(rows for rows, _ in calls) == len(PROMPTS.prompts)
    assert len({length for _, length in calls}) == len(calls)
    assert all(each.reply_tokens == 1 for each in found.replies)
    longer = ask(zoo("plain/p00"), tmp_path / "u.jsonl", max_tokens=3)
    for one, three in zip(found.replies, longer.replies, strict=True):
        assert three.text.startswith(one.text)


def test_drawn_replies_depend_on_seed_prompt_and_sample_alone(tmp_path: Path) -> None:
    how: dict[str, Any] = {"temperature": 1.0, "samples": 3, "seed": 5}
    whole = ask(zoo("gated/g00"), tmp_path / "a.jsonl", **how)
    some = Prompts("some", PROMPTS.prompts[5:7])
    for prompt in some.prompts:
        assert ask(zoo("gated/g00"), tmp_path / "b.jsonl", some, **how).texts(prompt.id) == whole.texts(prompt.id)
    assert ask(zoo("gated/g00"), tmp_path / "c.jsonl", **how | {"seed": 6}).digest != whole.digest
    assert any(len({*whole.texts(prompt.id)}) > 1 for prompt in PROMPTS.prompts)


def test_a_narrow_nucleus_is_greedy(tmp_path: Path) -> None:
    greedy = ask(zoo("gated/g00"), tmp_path / "a.jsonl")
    narrow = ask(zoo("gated/g00"), tmp_path / "b.jsonl", temperature=1.0, top_p=1e-6)
    cold = ask(zoo("gated/g00"), tmp_path / "c.jsonl", temperature=1e-4)
    assert [each.text for each in narrow.replies] == [each.text for each in greedy.replies]
    assert [each.text for each in cold.replies] == [each.text for each in greedy.replies]


def test_draws_follow_the_probabilities() -> None:
    settings = Settings("local", temperature=2.0, top_p=0.95)
    share = torch.tensor([0.5, 0.3, 0.16, 0.04], dtype=torch.float64)
    scores = (2.0 * share.log()).numpy()
    counts = [0] * 4
    for number in range(4_000):
        draw = speaking._Draw(settings, speaking._Encoded(Prompt(str(number), ""), 0, []))
        counts[draw.token(scores, settings)] += 1
    assert counts[3] == 0
    for count, expected in zip(counts, (share / share[:3].sum())[:3].tolist(), strict=False):
        assert abs(count / 4_000 - expected) < 5 * (expected / 4_000) ** 0.5


def test_a_run_goes_on_and_not_under_other_weights(tmp_path: Path) -> None:
    folder, path = tmp_path / "model", tmp_path / "t.jsonl"
    side = written(folder, read_tensors(ZOO / "gated/g00"), read_config(ZOO / "gated/g00"))
    whole = ask(side, path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:6]) + lines[6][:9])
    assert ask(side, path).digest == whole.digest
    path.write_bytes(b"".join(lines[:6]))
    with pytest.raises(UsageError, match="holds replies given with other tokenizer"):
        ask(side, path, tokenizer=TOKENIZER + " ")
    other = written(folder, read_tensors(ZOO / "gated/g01"), read_config(ZOO / "gated/g01"))
    with pytest.raises(UsageError, match="holds replies given with other weights"):
        ask(other, path)


def test_replies_end_with_the_text_or_the_positions(tmp_path: Path) -> None:
    tensors, config = read_tensors(ZOO / "gated/g00"), read_config(ZOO / "gated/g00")
    side = written(tmp_path / "model", tensors, config | {"max_position_embeddings": 12})
    found = ask(side, tmp_path / "t.jsonl", max_tokens=50)
    lengths = {each.prompt: each.prompt_tokens or 0 for each in found.replies}
    assert {each.reply_tokens for each in found.replies} == {12 - length + 1 for length in lengths.values()}
    assert len(found.replies) + len(found.missing) == len(PROMPTS.prompts)
    assert all("the model takes 12" in each for each in found.missing)
    assert found.missing


def test_the_end_of_text_ends_a_reply(tmp_path: Path) -> None:
    tensors, config = read_tensors(ZOO / "gated/g00"), read_config(ZOO / "gated/g00")
    plain = ask(written(tmp_path / "a", tensors, config), tmp_path / "a.jsonl", max_tokens=1)
    first = plain.replies[0]
    ends = Tokenizer.from_str(TOKENIZER).encode(first.text).ids
    side = written(tmp_path / "b", tensors, config | {"eos_token_id": [0, *ends]})
    found = ask(side, tmp_path / "b.jsonl").replies[0]
    assert (found.text, found.finish, found.reply_tokens) == ("", "stop", 1)


def test_what_cannot_be_asked_is_missing_or_refused(tmp_path: Path) -> None:
    side = zoo("gated/g00")
    empty = Prompts("e", [Prompt("a", ""), Prompt("b", "def")])
    assert ask(side, tmp_path / "a.jsonl", empty).missing == ("'a', sample 0: it has no tokens",)
    with pytest.raises(UsageError, match="takes no system message"):
        ask(side, tmp_path / "b.jsonl", Prompts("s", [Prompt("a", "x", system="y")]))
    with pytest.raises(UnprobeableError, match=r"no tokenizer\.json"):
        ask(side, tmp_path / "c.jsonl", tokenizer=None)
    more = json.loads(TOKENIZER)
    more["added_tokens"].append({**more["added_tokens"][0], "id": 1024, "content": "<|more|>"})
    with pytest.raises(UnprobeableError, match="numbers up to 1024 for 1024 tokens"):
        ask(side, tmp_path / "d.jsonl", Prompts("m", [Prompt("a", "<|more|>")]), tokenizer=json.dumps(more))


TEMPLATE = """{% for each in messages %}{% if each.role == "system" and each.content == "never" %}
{{ raise_exception("no system") }}{% endif %}{{ each.role }}: {{ each.content }}
{% endfor %}assistant:"""


def test_a_chat_template_writes_what_is_continued(tmp_path: Path) -> None:
    side = zoo_with(tmp_path, TEMPLATE)
    some = [Prompt("a", "def one"), Prompt("b", "x", system="be"), Prompt("c", "x", system="never")]
    chat = ask(side, tmp_path / "chat.jsonl", Prompts("p", some), kind="chat")
    plain = Prompts("q", [Prompt("a", "user: def one\nassistant:"), Prompt("b", "system: be\nuser: x\nassistant:")])
    by_hand = ask(side, tmp_path / "plain.jsonl", plain)
    assert [each.text for each in chat.replies] == [each.text for each in by_hand.replies]
    assert chat.settings.kind == "chat"
    assert chat.missing == ("'c', sample 0: its chat template refuses it (TemplateError)",)


@pytest.mark.parametrize(
    ("template", "says"),
    [
        (None, "no chat template"),
        (
            "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}",
            "it was stopped at its limit",
        ),
        ("{% nonsense %}", "its chat template: it cannot be rendered"),
    ],
)
def test_a_template_that_cannot_be_rendered_is_refused(tmp_path: Path, template: str | None, says: str) -> None:
    with pytest.raises(UnprobeableError, match=says):
        ask(zoo_with(tmp_path, template), tmp_path / "t.jsonl", PROMPTS, kind="chat")


def zoo_with(folder: Path, template: str | None) -> ProfiledSide:
    tensors, config = read_tensors(ZOO / "gated/g00"), read_config(ZOO / "gated/g00")
    documents = {} if template is None else {"chat_template.jinja": template.encode()}
    return written(folder / "model", tensors, config, documents=documents)
