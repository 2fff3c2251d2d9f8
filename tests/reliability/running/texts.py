"""The small texts, conversations and recipe on which the commands of this room work."""

from __future__ import annotations

from pathlib import Path

_RECIPE = """\
[[phase]]
name = "one"
preset = "mini-gpt"
mode = "tensor"
model = {{ n_embd = 4, n_head = 1, block_size = 8 }}
data = {{ source = "{folder}/words.txt", tokenizer = "word" }}
training = {{ steps = 4, batch_size = 2, eval_tokens = 16 }}

[[phase]]
name = "two"
data = {{ source = "{folder}/chat.jsonl" }}
training = {{ steps = 4, batch_size = 2, eval_tokens = 16 }}
"""
_CHAT = '{"messages": [{"role": "user", "content": "a b?"}, {"role": "assistant", "content": "b a."}]}\n'


def lay_texts(folder: Path) -> None:
    """corpus.txt, words.txt, chat.jsonl, and two.toml, a recipe of two phases."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "corpus.txt").write_text("abcabdabcabcabd\n" * 30, encoding="utf-8")
    (folder / "words.txt").write_text("a b? b a.\nb a. a b?\n" * 30, encoding="utf-8")
    (folder / "chat.jsonl").write_text(_CHAT * 8, encoding="utf-8")
    (folder / "two.toml").write_text(_RECIPE.format(folder=folder.as_posix()), encoding="utf-8")
