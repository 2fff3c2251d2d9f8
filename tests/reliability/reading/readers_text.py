"""Tokenizers, settings and data files, as readers.py wants them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from mutations import Reader
from samples import TEXT, tokenizers

from nanochat.cli.options import read_toml
from nanochat.data.files.formats import find_problems, read_rows
from nanochat.data.files.rows import Rows
from nanochat.data.load import load_corpus
from nanochat.experiments.ablation.named import make_study, read_recipe
from nanochat.tokenizers import load_tokenizer, save_tokenizer
from nanochat.training.resolve import resolve

_SETTINGS = """
preset = "mini-gpt"
seed = 7
[model]
n_layer = 2
norm = "rms"
[training]
steps = 20
lr = 0.01
optimizer = "adamw"
[data]
source = "builtin:names"
"""
_STUDY = """
seeds = 2
margin = 0.02
design = "grid"
[axes]
norm = ["rms", "layer"]
"training.lr" = [0.01, 0.02]
[base]
preset = "mini-gpt"
training.steps = 3
"""
_CHAT = [
    {"role": "system", "content": "Answer in a word."},
    {"role": "user", "content": "What is 2 + 2? \u20ac\U0001f600"},
    {"role": "assistant", "content": "4"},
]
_DATA: dict[str, str] = {
    "text.txt": "\n".join(f"line {i} of a text" for i in range(30)) + "\n",
    "chat.txt": "User: a question Assistant: an answer </s>\nUser: why? Assistant: so </s>\n",
    "texts.json": json.dumps([{"text": "one"}, {"text": "two \u20ac"}, {"text": "three\nlines", "id": 3}]),
    "texts.jsonl": '{"text": "one"}\n{"text": "two"}\n\n{"text": "three \\u20ac"}\n',
    "chats.jsonl": "\n".join(json.dumps({"messages": _CHAT}, ensure_ascii=False) for _ in range(3)) + "\n",
    "texts.csv": 'id,text\n1,one\n2,"two, and ""more"""\n3,"three\nlines"\n',
    "texts.tsv": "id\ttext\n1\tone\n2\ttwo\n",
}


def text_readers() -> Iterator[Reader]:
    """Each kind of tokenizer and of data file, and both kinds of TOML."""
    for kind, tokenizer in tokenizers().items():
        make = lambda folder, tokenizer=tokenizer: save_tokenizer(tokenizer, folder / "tokenizer.json")  # noqa: E731
        yield Reader(f"tokenizer.json, {kind}", make, load_tokenizer, use=_encode)
    yield Reader("tokenizer.json of Hugging Face", _make_huggingface, load_tokenizer, use=_encode)
    yield Reader("vocab.json and merges.txt", _make_gpt2, load_tokenizer, use=_encode)
    yield Reader("settings.toml", partial(_make, "c.toml", _SETTINGS), _read_settings)
    yield Reader("study.toml", partial(_make, "s.toml", _STUDY), _read_study, use=lambda study: len(study.cells()))
    for name, content in _DATA.items():
        yield Reader(f"data file {name}", partial(_make, name, content), partial(_read_data, name))


def _make(name: str, content: str, folder: Path) -> None:
    (folder / name).write_text(content, encoding="utf-8", newline="")


def _encode(tokenizer: Any) -> None:
    """A text that it can spell comes back with the same ids, all of them in the vocabulary."""
    tokenizer = replace(tokenizer, unknown="skip") if hasattr(tokenizer, "unknown") else tokenizer
    ids = tokenizer.encode(TEXT)
    assert all(0 <= i < tokenizer.vocab_size for i in ids)
    assert tokenizer.encode(tokenizer.decode(ids)) == ids
    assert len(tokenizer.token_bytes()) == tokenizer.vocab_size


def _make_huggingface(folder: Path) -> None:
    save_tokenizer(tokenizers()["bpe"], folder / "tokenizer.json", form="huggingface")


def _make_gpt2(folder: Path) -> None:
    """The two files of GPT-2, from the one of Hugging Face."""
    _make_huggingface(folder)
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    (folder / "tokenizer.json").unlink()
    vocab = content["vocab"]
    vocab["<|endoftext|>"] = vocab.pop("<|bos|>")
    _make("vocab.json", json.dumps(vocab), folder)
    _make("merges.txt", "\n".join(["#version: 0.2", *content["merges"], ""]), folder)


def _read_settings(folder: Path) -> Any:
    return resolve(read_toml(folder / "c.toml"))


def _read_study(folder: Path) -> Any:
    recipe = read_recipe(folder / "s.toml")
    return make_study(resolve(recipe.base), recipe)


def _read_data(name: str, folder: Path) -> Any:
    """The rows, and the corpus that a run makes of them; what find_problems says has to be what read_rows says."""
    path = folder / name
    problems = find_problems(path)
    rows: Rows = read_rows(path)
    assert not problems, f"find_problems says {problems[0]}, and read_rows reads the file"
    return replace(rows, origin=""), replace(load_corpus(str(path)), origin="")
