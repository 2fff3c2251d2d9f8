"""R10: text that somebody will paste sooner or later, through every door that text comes in by."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import sys
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from samples import TEXT, tokenizers

from nanochat.data.files.formats import read_rows
from nanochat.data.load import load_corpus
from nanochat.errors import DataError, TokenizerError
from nanochat.tokenizers import BPETokenizer, CharTokenizer, WordTokenizer, decode_stream

_TRAINED = tokenizers()

TEXTS: dict[str, str | bytes] = {
    "empty": "",
    "one byte": "a",
    "NUL": "a\0b",
    "a lone surrogate": "a\ud800b",
    "a surrogate pair in two": "\ud83d\ude00",
    "bytes that were no UTF-8": b"caf\xe9 \xff\xfe".decode("utf-8", "surrogateescape"),
    "a family of emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466" * 3,
    "flags and skin tones": "\U0001f1e9\U0001f1ea\U0001f44d\U0001f3ff",
    "combining marks": "e\u0301" + "a" + "\u0300\u0316\u0335" * 100,
    "right to left": "\u202eabc\u202c \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "line and paragraph separators": "a\u2028b\u2029c\x85d\x0be\x0cf",
    "CRLF and lone CR": "one\r\ntwo\rthree\n\n\r\n",
    "a byte order mark": "\ufefftext\ufeff",
    "UTF-16": "text".encode("utf-16"),
    "UTF-16 without a mark": "text and more of it".encode("utf-16-le"),
    "UTF-32": "text".encode("utf-32"),
    "Latin-1": "na\u00efve caf\u00e9".encode("latin-1"),
    "half a character": "\u20ac".encode()[:2],
    "all 256 bytes": bytes(range(256)),
    "all assigned characters": "".join(
        ch for ch in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(ch)[0] != "C"
    ),
    "a long line": "ab c" * 50_000,
    "one letter, 100,000 times": "a" * 100_000,
    "100,000 spaces": " " * 100_000,
    "100,000 line ends": "\n" * 100_000,
    "special tokens": "<|bos|><|end|></s><UNK><|endoftext|>[BOS]<|user|><|assistant|>",
    "what a shell would like": "$(reboot); `id` | ../../etc/passwd && {0.__class__} %s%n ${HOME}",
    "what a terminal would like": "\x1b[2J\x1b]0;title\x07\x9b31m\x08\x7f",
}
"""Text, or bytes that are none."""


def through_every_door(text: str | bytes, folder: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """(name of the door, what happens behind it); NanochatError is the only thing that may come out of one."""
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    for ending in (".txt", ".json", ".jsonl", ".csv", ".tsv"):
        yield f"rows of a {ending}", lambda ending=ending: read_rows(_write(folder / f"raw{ending}", raw))
    for layout in ("auto", "stream", "documents", "chat"):
        yield f"a corpus, {layout}", lambda layout=layout: load_corpus(str(_write(folder / "c.txt", raw)), layout)
    if isinstance(text, bytes):
        return
    for name, check in _TOKENIZER_DOORS.items():
        yield name, lambda check=check: check(text)
    yield "rows come back", lambda: _rows_come_back(text, folder)


def _write(path: Path, raw: bytes) -> Path:
    path.write_bytes(raw)
    return path


def _train_char(text: str) -> None:
    tokenizer = CharTokenizer.train(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def _train_word(text: str) -> None:
    tokenizer = WordTokenizer.train(text)
    ids = tokenizer.encode(text)
    assert tokenizer.encode(tokenizer.decode(ids)) == ids


def _train_bpe(text: str) -> None:
    tokenizer = BPETokenizer.train(text[:20_000], vocab_size=270)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def _bytes_come_back(text: str) -> None:
    """A tokenizer of bytes spells every text that UTF-8 can hold."""
    bpe = _TRAINED["bpe"]
    assert isinstance(bpe, BPETokenizer)
    surrogate = next((i for i, ch in enumerate(text) if "\ud800" <= ch <= "\udfff"), None)
    if surrogate is not None:
        refused = _refusal(bpe.encode, text)
        assert f"position {surrogate}" in refused, f"which character? {refused!r}"
        return
    ids = bpe.encode_ordinary(text)
    assert bpe.decode(ids) == text
    assert "".join(decode_stream(bpe, ids)) == text
    assert int(bpe.token_bytes()[ids].sum()) == len(text.encode("utf-8"))
    bpe.decode(bpe.encode(text))


def _char_is_named(text: str) -> None:
    """A closed vocabulary spells the text, or names its first unknown character and where it stands."""
    closed = replace(_TRAINED["char"], unknown="error")  # type: ignore[type-var]
    place = next((i for i, ch in enumerate(text) if ch not in set(TEXT)), None)
    if place is None:
        assert closed.decode(closed.encode(text)) == text
    else:
        refused = _refusal(closed.encode, text)
        assert f"position {place} " in refused, refused
        assert f"U+{ord(text[place]):04X}" in refused, refused


def _refusal(encode: Callable[[str], object], text: str) -> str:
    """The sentence with which the text is refused; "" if it is not."""
    try:
        encode(text)
    except TokenizerError as error:
        return str(error)
    return ""


def _policies(text: str) -> None:
    """skip and unk refuse nothing; what they give is in the vocabulary."""
    for kind in ("char", "word"):
        for unknown in ("skip", "unk"):
            tokenizer = replace(_TRAINED[kind], unknown=unknown)  # type: ignore[type-var]
            ids = tokenizer.encode(text)
            assert all(0 < i < tokenizer.vocab_size for i in ids)
            tokenizer.decode(ids)


_TOKENIZER_DOORS: dict[str, Callable[[str], None]] = {
    "a character tokenizer, trained on it": _train_char,
    "a word tokenizer, trained on it": _train_word,
    "a byte tokenizer, trained on it": _train_bpe,
    "a byte tokenizer, trained on other text": _bytes_come_back,
    "a closed vocabulary": _char_is_named,
    "unknown characters and words, skipped or marked": _policies,
}


def _rows_come_back(text: str, folder: Path) -> None:
    """Written properly as JSON, JSON Lines and CSV, the text is read as it is, or refused as a text."""
    cell = io.StringIO()
    csv.writer(cell, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([["text"], [text], ["b"]])
    for name, content in {
        "good.json": json.dumps([{"text": text}, {"text": "b"}]),
        "good.jsonl": json.dumps({"text": text}) + '\n{"text": "b"}\n',
        "good.csv": cell.getvalue(),
    }.items():
        (folder / name).write_bytes(content.encode("utf-8", "surrogatepass"))
        with contextlib.suppress(DataError):
            found = read_rows(folder / name).documents[0]
            plain = text.replace("\r\n", "\n").replace("\r", "\n") if name.endswith("csv") else _joined(text)
            assert found in (text, text.strip(), plain, plain.strip()), f"{name} gives {found[:100]!r}"


def _joined(text: str) -> str:
    """With two halves of a surrogate pair made one character, as JSON reads its escapes."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
