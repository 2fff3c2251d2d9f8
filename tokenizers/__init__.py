"""Text to ids and back. Knows no model; its own files and those of other tokenizers are all it reads.

base.py: what every tokenizer can do.  char.py: one id a character.  word.py: one a word.  bpe.py: one a frequent run
of bytes.  Each adds one idea to the one before; files.py reads and writes them, parallel.py uses several processes.
"""

from __future__ import annotations

from .base import Tokenizer, decode_stream
from .bpe import BPETokenizer
from .char import CharTokenizer
from .files import load_tokenizer, save_tokenizer, tokenizer_from_dict
from .parallel import encode_many
from .word import WordTokenizer

__all__ = [
    "BPETokenizer",
    "CharTokenizer",
    "Tokenizer",
    "WordTokenizer",
    "decode_stream",
    "encode_many",
    "load_tokenizer",
    "save_tokenizer",
    "tokenizer_from_dict",
]
