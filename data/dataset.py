"""From the name of a corpus to ids ready for batches: load, split, style, tokenise, in this order."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import DataError, TokenizerError
from ..tokenizers import CharTokenizer, Tokenizer
from ..tokenizers.base import id_dtype
from ..tokenizers.char import Unknown
from .batches import Kind, TokenStream
from .corpus import Corpus, LayoutChoice, load_corpus
from .splitting import Split, Style, split, style


@dataclass(frozen=True, eq=False)
class Dataset:
    """A corpus in ids, and what a report says about it."""

    corpus: Corpus
    sides: Split
    """The text of both sides, styled: for counting, showing, or another tokenizer."""
    tokenizer: Tokenizer
    train: TokenStream
    val: TokenStream

    @property
    def kind(self) -> Kind:
        """How this corpus is best cut into batches: a stream as windows, documents as documents."""
        return "windows" if self.corpus.layout == "stream" else "documents"

    @property
    def val_is_train(self) -> bool:
        """The corpus was too short to split: the validation loss is a training loss."""
        return self.sides.val_is_train

    @property
    def n_train_tokens(self) -> int:
        """Tokens of training text, style included, BOS not counted: `train_tokens` of a result."""
        return self.train.n_tokens

    @property
    def n_val_tokens(self) -> int:
        """Tokens of validation text, BOS not counted."""
        return self.val.n_tokens

    @property
    def text_bytes(self) -> int:
        """Bytes of UTF-8 of the corpus, both sides, without style."""
        return self.corpus.n_bytes


def build_dataset(
    spec: str,
    *,
    layout: LayoutChoice = "auto",
    style_name: Style = "classic",
    tokenizer: Tokenizer | None = None,
    unknown: Unknown = "error",
    val_fraction: float = 0.1,
) -> Dataset:
    """The dataset of `spec` (a path or `builtin:NAME`).

    Without `tokenizer` a character tokenizer is trained on both sides, style included, so that validation holds no
    unknown character; `unknown` is then its policy for other text, such as prompts. A tokenizer that is given, of a run
    that goes on, keeps its own policy.

    Raises what `load_corpus`, `split` and `style` raise; TokenizerError, naming the corpus, for a character that the
    given tokenizer cannot spell; DataError if it leaves fewer than 2 tokens on a side.
    """
    corpus = load_corpus(spec, layout)
    sides = style(split(corpus, val_fraction), style_name)
    if tokenizer is None:
        tokenizer = CharTokenizer.train(sides.train + sides.val, unknown=unknown)
    train = _encode(sides.train, sides, tokenizer, f"the training text of {spec}")
    val = _encode(sides.val, sides, tokenizer, f"the validation text of {spec}")
    return Dataset(corpus, sides, tokenizer, train, val)


def _encode(documents: tuple[str, ...], sides: Split, tokenizer: Tokenizer, where: str) -> TokenStream:
    arrays = (tokenizer.encode_array(document) for document in documents)
    try:
        if sides.layout == "documents":
            return TokenStream.from_documents(arrays, bos_id=tokenizer.bos_id, dtype=id_dtype(tokenizer.vocab_size))
        (ids,) = arrays
    except TokenizerError as failure:
        raise TokenizerError(f"in {where}: {failure}") from None
    if len(ids) < 2:
        raise DataError(f"{where} has {len(ids)} tokens in this vocabulary: use text in the characters it knows")
    return TokenStream.from_text(ids)
