"""The core: the files that teach, evening by evening, in reading order; and the block of README that lists them.

`python tests/laws/evenings.py --write README.md` writes that block anew, `python tests/laws/evenings.py` prints it.
test_core.py holds what it says: an evening needs itself, the evenings before it and the ground, nothing else.
"""

import ast
import re
import sys
from pathlib import Path
from typing import NamedTuple

from sources import ROOT, SOURCES, n_lines

MOST_LINES = 2400
"""An evening of three hours, docstrings and all. The law of the house: what does not fit lies outside the core."""
BEGIN, END = "<!-- evenings: python tests/laws/evenings.py --write README.md -->", "<!-- /evenings -->"
GROUND = "errors.py plain.py setting.py machine.py validation.py".split()


class Evening(NamedTuple):
    """Some hours of reading: its subject, and its files in order."""

    title: str
    files: list[str]


CORE = [
    Evening(
        "numbers",
        """engine/scalar/value.py engine/scalar/functional.py engine/module.py engine/scalar/nn.py
        engine/scalar/optim.py models/parameters.py models/bigram/config.py models/bigram/scalar.py
        models/gpt/config.py models/gpt/scalar.py tokenizers/base.py tokenizers/char.py data/tokens.py data/packing.py
        data/batches.py models/base.py inference/samplers.py inference/generate.py""".split(),
    ),
    Evening(
        "arrays",
        """engine/tensor/ops/elementwise.py engine/tensor/ops/shapes.py engine/tensor/ops/linear.py
        engine/tensor/ops/activations.py engine/tensor/ops/norms.py engine/tensor/ops/losses.py
        engine/tensor/ops/attention.py engine/tensor/ops/rope.py engine/tensor/ops/self_attention.py
        engine/tensor/ops/__init__.py engine/tensor/tensor.py engine/tensor/__init__.py engine/tensor/functional.py
        engine/gradcheck.py engine/tensor/nn.py engine/tensor/flat.py
        engine/tensor/optim.py models/initial.py models/gpt/cache.py models/gpt/tensor.py""".split(),
    ),
    Evening(
        "words and evidence",
        """models/bigram/tensor.py tokenizers/spacing.py tokenizers/pieces.py tokenizers/word.py tokenizers/merges.py
        tokenizers/checks.py tokenizers/bpe.py data/chat.py data/corpus.py data/split.py
        training/hyperparameters.py training/schedule.py training/guards.py training/trainer.py
        training/evaluate.py experiments/statistics/intervals.py experiments/statistics/significance.py
        inference/beam.py""".split(),
    ),
]


def first_words(path: str) -> str:
    """The first sentence of the file's docstring, or what stands before its first colon or semicolon."""
    docstring = ast.get_docstring(ast.parse((ROOT / path).read_text(encoding="utf-8"))) or ""
    return re.split(r"[.;:](?:\s|$)", " ".join(docstring.split()))[0]


def block() -> str:
    """Markdown: a table of the evenings, and the size of the core beside that of the package."""
    sizes = {path: n_lines(ROOT / path) for evening in CORE for path in evening.files}
    ground = sum(n_lines(ROOT / path) for path in GROUND)
    whole = sum(n_lines(path) for path in SOURCES.values())
    grounds = ", ".join(f"`{path}`" for path in GROUND)
    lines = [
        f"{len(sizes)} files and {sum(sizes.values()):,} lines of a package of {len(SOURCES)} and {whole:,}.",
        f"They stand on each other and on the ground: {grounds} ({ground:,} lines).",
        "",
        "| file | lines | first words |",
        "|---|--:|---|",
    ]
    for number, (title, files) in enumerate(CORE, 1):
        total = sum(sizes[path] for path in files)
        lines += [f"| **evening {number}: {title}** | **{total:,}** | **{len(files)} files** |"]
        lines += [f"| `{path}` | {sizes[path]} | {first_words(path)} |" for path in files]
    return "\n".join(lines) + "\n"


def written(readme: str) -> str:
    """The text with its block as it is today. Raises ValueError where it has no place for one."""
    before, begin, rest = readme.partition(f"{BEGIN}\n")
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there is no {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n{block()}{END}{after}"


def main() -> None:
    if sys.argv[1:2] == ["--write"]:
        path = Path(sys.argv[2])
        path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(block(), end="")


if __name__ == "__main__":
    main()
