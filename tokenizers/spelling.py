"""Bytes as visible characters, so that a vocabulary of bytes can stand in a JSON or text file: GPT-2's alphabet.

A byte that prints in Latin-1 is that character, the 68 others are the characters from U+0100 on, in order: a space
is U+0120. No byte is spelled as white space, so a merge can be written as two words on a line.
"""

from __future__ import annotations

from ..errors import TokenizerError


def _alphabet() -> list[str]:
    prints = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [b for b in range(256) if b not in prints]
    return [chr(b) if b in prints else chr(0x100 + others.index(b)) for b in range(256)]


ALPHABET = _alphabet()
"""The character of each byte."""
_BYTE_OF = {ch: b for b, ch in enumerate(ALPHABET)}


def spell(token: bytes) -> str:
    """Bytes in the visible alphabet.

    >>> spell(b" the"), unspell("\u0120the")
    ('Ġthe', b' the')
    """
    return "".join([ALPHABET[b] for b in token])


def unspell(spelled: str) -> bytes:
    """The inverse of `spell`. Raises TokenizerError for a character that spells no byte."""
    try:
        return bytes([_BYTE_OF[ch] for ch in spelled])
    except KeyError as failure:
        raise TokenizerError(
            f"token {spelled[:40]!r} holds {failure.args[0]!r}, which spells no byte: "
            "only byte-level vocabularies are read"
        ) from None
