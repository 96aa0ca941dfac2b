from __future__ import annotations

import lzma
from pathlib import Path

import numpy as np
import pytest

from forebear.errors import UsageError
from forebear.zoo import corpus


def test_parts_are_bounded_text_and_differ() -> None:
    texts = [corpus.text(part) for part in corpus.PARTS]
    assert all(1_500_000 < len(text.encode()) <= corpus.PART_BYTES for text in texts)
    assert all(text.endswith("\n") for text in texts)
    lines = [{line for line in text.splitlines() if len(line) > 40} for text in texts]
    assert all(len(lines[i] & lines[j]) < 0.02 * len(lines[i]) for i, j in ((0, 1), (0, 2), (1, 2)))


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(UsageError, match="A, B, C"):
        corpus.text("D")


def make_library(folder: Path) -> Path:
    for name, content in {
        "pydoc_data/topics.py": "topics = {'assert': 'The assert statement\\n'}\n",
        "alpha.py": "x = 1\n",
        "_sysconfigdata_here.py": "secret = 1\n",
        "json/__init__.py": "y = 2\n",
        "tkinter/font.py": "z = 3\n",
        "json/accent.py": "w = 'é'\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def test_the_bundle_takes_each_part_from_its_place(tmp_path: Path) -> None:
    corpus.bundle(make_library(tmp_path / "library"), tmp_path / "data")
    found = {path.name: lzma.decompress(path.read_bytes()).decode() for path in (tmp_path / "data").iterdir()}
    assert found == {
        "part_a.txt.xz": "x = 1\n",
        "part_b.txt.xz": "The assert statement\n\nz = 3\n",
        "part_c.txt.xz": "y = 2\n",
    }


def test_a_folder_that_is_no_library_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a standard library"):
        corpus.bundle(tmp_path, tmp_path)


def test_the_committed_tokenizer_is_the_one_the_text_gives(zoo: Path, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    from forebear.zoo.text import VOCABULARY, tokens, train_tokenizer

    train_tokenizer(tmp_path / "tokenizer.json")
    assert (tmp_path / "tokenizer.json").read_bytes() == (zoo / "tokenizer.json").read_bytes()
    found = tokens("A", zoo / "tokenizer.json")
    assert found.max() < VOCABULARY
    assert 500_000 < len(found) < len(corpus.text("A")) / 2
    assert len(np.unique(found)) > 800
