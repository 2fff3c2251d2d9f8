"""Measure byte pair encoding: learning against counting everything again, encoding, and several processes.

    python benchmarks/bpe.py [--data tinyshakespeare.txt] [--vocab-size 1024] [--jobs 2] [--json bpe.json]

Prints Markdown; exits with 1 if a floor is missed or the plain way learns other merges. Hugging Face's `tokenizers` is
timed beside ours where it is installed, on one thread, with the same split and the same limit.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
from collections import Counter
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import regex
from bpe_reference import learn_merges_plainly
from scalar import machine

from nanochat.experiments.bench.pairs import Pairs, Step, take_turns
from nanochat.tokenizers import BPETokenizer, encode_many
from nanochat.tokenizers.bpe import PATTERNS

VERSE = Path(__file__).parent.parent / "data" / "builtin" / "verse.txt"
REPEATS, FEW = 5, 3
"""Rounds; few of what takes long."""
MANY_BYTES = 40_000_000
"""Size of the parallel task: the text again and again, in documents of DOCUMENT characters."""
DOCUMENT = 20_000
FLOORS = {"training_ratio": 20.0, "encoding_mb_per_s": 1.0}
N_BYTES_AND_BOS = 257


def main() -> int:
    """0, or 1 when a floor is missed or the merges differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=VERSE, help="a text in UTF-8 (default: the built-in verse)")
    parser.add_argument("--vocab-size", type=int, default=1024, help="default: 1024")
    parser.add_argument(
        "--jobs", type=int, default=min(os.cpu_count() or 1, 4), help="processes (default: cores, 4 at most)"
    )
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    if options.vocab_size <= N_BYTES_AND_BOS:
        parser.error(f"--vocab-size {options.vocab_size} leaves nothing to learn: give {N_BYTES_AND_BOS + 1} or more")
    result = measure(options.data, options.vocab_size, options.jobs)
    print(markdown(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    missed = any(result[key] < floor for key, floor in FLOORS.items())
    return int(missed or not result["same_merges"])


def measure(data: Path, vocab_size: int, jobs: int) -> dict[str, Any]:
    """All figures, as the JSON file has them; times in seconds, MB of 10^6 bytes of UTF-8."""
    text = data.read_text(encoding="utf-8")
    mb = len(text.encode("utf-8")) / 1e6
    tokenizer = BPETokenizer.train(text, vocab_size=vocab_size)
    ids, others = tokenizer.encode(text), opponents(text, vocab_size)
    learning = take_turns(
        {
            "ours": lambda: BPETokenizer.train(text, vocab_size=vocab_size),
            "plain": lambda: learn_plainly(text, vocab_size),
            **{name: task for name, task in others.items() if name == "tokenizers, learning"},
        },
        rounds=FEW,
        seconds=0,
    )
    use = take_turns(
        {
            "reading": lambda: BPETokenizer.from_dict(tokenizer.to_dict()),
            "first": lambda: BPETokenizer.from_dict(tokenizer.to_dict()).encode(text),
            "again": lambda: tokenizer.encode(text),
            "decoding": lambda: tokenizer.decode(ids),
            "hostile": lambda: tokenizer.encode("a" * 100_000),
            **{name: task for name, task in others.items() if name == "tokenizers, encoding"},
        },
        rounds=REPEATS,
        seconds=0,
    )
    seconds = {name: use.seconds(name, "cpu").median for name in use.rounds}
    times = learning.ratio("ours", "plain", "cpu")
    return {
        "date": date.today().isoformat(),
        "machine": machine(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "data": data.name,
        "mb": mb,
        "vocab_size": tokenizer.vocab_size,
        "bytes_per_token": 1e6 * mb / len(ids),
        "training_s": learning.seconds("ours", "cpu").median,
        "plain_training_s": learning.seconds("plain", "cpu").median,
        "training_ratio": times.median,
        "training_ratio_quartiles": [times.lower, times.upper],
        "same_merges": learn_plainly(text, vocab_size) == list(tokenizer.merges),
        "encoding_mb_per_s": mb / (seconds["first"] - seconds["reading"]),
        "encoding_again_mb_per_s": mb / seconds["again"],
        "decoding_mb_per_s": mb / seconds["decoding"],
        "hostile_s": seconds["hostile"],
        "cores_of_others": use.others,
        **measure_many(tokenizer, text, jobs),
        **beside_tokenizers(learning, use, mb),
    }


def learn_plainly(text: str, vocab_size: int) -> list[tuple[int, int]]:
    """The merges of `text` with everything counted again after each, over its distinct pieces."""
    pieces = Counter(regex.findall(PATTERNS["gpt4"], text))
    words = [(tuple(b + 1 for b in piece.encode("utf-8")), n) for piece, n in pieces.items()]
    return learn_merges_plainly(words, first_id=N_BYTES_AND_BOS, n_merges=vocab_size - N_BYTES_AND_BOS)


def measure_many(tokenizer: BPETokenizer, text: str, jobs: int) -> dict[str, Any]:
    """One process against `jobs`, starting them included."""
    documents = [text[i : i + DOCUMENT] for i in range(0, len(text), DOCUMENT)]
    size = sum(len(document.encode("utf-8")) for document in documents)
    copies = max(1, round(MANY_BYTES / size))
    documents *= copies
    alone = partial(lambda jobs: [len(ids) for ids in encode_many(tokenizer, documents, jobs=jobs)], 1)
    together = partial(alone.func, jobs)
    assert alone() == together()
    pairs = take_turns({"alone": alone, "together": together}, rounds=FEW, seconds=0)
    speedup = pairs.ratio("together", "alone")
    return {
        "jobs": jobs,
        "many_mb": copies * size / 1e6,
        "many_s": pairs.seconds("alone").median,
        "parallel_s": pairs.seconds("together").median,
        "speedup": speedup.median,
        "speedup_quartiles": [speedup.lower, speedup.upper],
    }


def opponents(text: str, vocab_size: int) -> dict[str, Step]:
    """Hugging Face's `tokenizers` at the same task; nothing where it is not installed."""
    if importlib.util.find_spec("tokenizers") is None:
        return {}
    os.environ["RAYON_NUM_THREADS"] = "1"  # before it is imported
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers, trainers

    split = pre_tokenizers.Split(tokenizers.Regex(PATTERNS["gpt4"]), "isolated")
    as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    other = tokenizers.Tokenizer(models.BPE())
    other.pre_tokenizer = pre_tokenizers.Sequence([split, as_bytes])
    other.decoder = decoders.ByteLevel()

    def train() -> None:
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            min_frequency=2,
            special_tokens=["<|bos|>"],
            initial_alphabet=alphabet,
            show_progress=False,
        )
        other.train_from_iterator([text], trainer)

    train()
    return {"tokenizers, learning": train, "tokenizers, encoding": lambda: other.encode(text)}


def beside_tokenizers(learning: Pairs, use: Pairs, mb: float) -> dict[str, Any]:
    """Its version and figures, and how many times as long as it ours takes to learn; nothing where it did not run."""
    if "tokenizers, learning" not in learning.rounds:
        return {}
    return {
        "tokenizers": version("tokenizers"),
        "tokenizers_training_s": learning.seconds("tokenizers, learning", "cpu").median,
        "tokenizers_training_ratio": learning.ratio("tokenizers, learning", "ours", "cpu").median,
        "tokenizers_mb_per_s": mb / use.seconds("tokenizers, encoding", "cpu").median,
    }


def markdown(r: dict[str, Any]) -> str:
    """The figures as a person reads them."""
    rows = [
        ("learning", f"{r['training_s']:.2f} s", ""),
        (
            "learning, counting again after every merge",
            f"{r['plain_training_s']:.1f} s",
            ratio(r["training_ratio"], "training_ratio"),
        ),
        ("the same merges", "yes" if r["same_merges"] else "NO", "must be"),
        (
            "encoding, first time",
            f"{r['encoding_mb_per_s']:.1f} MB/s",
            ratio(r["encoding_mb_per_s"], "encoding_mb_per_s", "MB/s"),
        ),
        ("encoding, pieces remembered", f"{r['encoding_again_mb_per_s']:.1f} MB/s", ""),
        ("decoding", f"{r['decoding_mb_per_s']:.1f} MB/s", ""),
        ("encoding 100,000 equal letters", f"{r['hostile_s']:.2f} s", ""),
        (f"{r['many_mb']:.0f} MB in documents, 1 process", f"{r['many_s']:.1f} s", ""),
        (f"... {r['jobs']} processes, started for it", f"{r['parallel_s']:.1f} s", f"{r['speedup']:.2f} times as fast"),
    ]
    if "tokenizers" in r:
        rows += [
            (
                f"tokenizers {r['tokenizers']}, learning",
                f"{r['tokenizers_training_s']:.2f} s",
                f"ours takes {r['tokenizers_training_ratio']:.2f} times as long",
            ),
            ("... encoding", f"{r['tokenizers_mb_per_s']:.1f} MB/s", "one thread"),
        ]
    head = (
        f"Byte pair encoding, {r['data']} ({r['mb']:.2f} MB), {r['vocab_size']} tokens of {r['bytes_per_token']:.2f} "
        f"bytes. {r['machine']}, {r['python']}, {r['date']}; medians of CPU time in turn, of wall time with several "
        f"processes.\n\n| task | result | |\n|---|---|---|\n"
    )
    return head + "\n".join(f"| {task} | {result} | {note} |" for task, result, note in rows)


def ratio(value: float, key: str, unit: str = "times as long") -> str:
    """A figure against its floor."""
    return f"{value:.1f} {unit}, floor {FLOORS[key]:g}: {'reached' if value >= FLOORS[key] else 'MISSED'}"


if __name__ == "__main__":
    raise SystemExit(main())
