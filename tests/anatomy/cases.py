"""Every tiny instance, by name."""

from dataclasses import replace

from tests.anatomy.families import Case, bert, gpt2, gpt_neox, llama_like
from tests.anatomy.sparse import all_sparse


def renamed(case: Case, old: str, new: str, config: dict[str, object] | None = None) -> Case:
    """The same tensors with another beginning to the names of the body."""
    tensors = {new + name.removeprefix(old) if name.startswith(old) else name: s for name, s in case.tensors.items()}
    return replace(case, prefix=new, tensors=tensors, config=case.config if config is None else config)


def _multimodal() -> Case:
    text = llama_like()["gemma3_text"]
    config = {"model_type": "gemma3", "hidden_size": 999, "text_config": text.config}
    return renamed(text, "model.", "language_model.model.", config)


CASES: dict[str, Case] = {
    **llama_like(),
    "gemma3 multimodal": _multimodal(),
    "gpt2": gpt2(),
    "gpt2 bare": renamed(gpt2(), "transformer.", ""),
    "gpt_neox": gpt_neox(),
    "bert": bert(),
    "bert bare": bert(""),
    "bert gamma and beta": bert("bert.", "bert", ("gamma", "beta")),
    "roberta": bert("roberta.", "roberta"),
    "xlm-roberta": bert("roberta.", "xlm-roberta"),
    **all_sparse(),
}
