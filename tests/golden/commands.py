"""The commands whose results are golden: first those that make material, then those that read it again.

Words only, no Python of the package: what moves inside it cannot break this list. Everything runs in a folder of its
own with relative paths, in this order.
"""

from typing import NamedTuple


class Command(NamedTuple):
    """`nanochat <words>`, under the name by which its result is filed."""

    name: str
    words: str
    typed: str = ""
    """What comes on standard input."""

    @property
    def argv(self) -> list[str]:
        return self.words.split()


RUNS = "results/runs"
SMALL = ("bigram", "mini-gpt", "microgpt")
"""Presets that are certified, and trained in both modes."""

# Batches of one or two rows, a short validation, one thread: twenty steps of the largest take a quarter of a minute.
_FEW = "--steps 20 --batch-size 1 --replicas 1 --set training.eval_tokens=256"
LARGE = {
    "rustgpt": _FEW,
    "nanogpt-cpu": f"{_FEW} --data builtin:verse",
    "nanogpt-char": f"{_FEW} --data builtin:verse --set training.eval_tokens=64",
    "nanochat-tiny": f"{_FEW} --data builtin:verse",
    "nanochat-words": f"{_FEW} --data builtin:tales",
}

RECIPE = """\
title = "Reading, then answering"
questions = "world-small"
prompts = ["What is the capital of Peru?"]
caveats = ["Twelve steps a phase."]

[[phase]]
name = "reading"
about = "sentences"
preset = "nanochat-words"

[phase.data]
source = "builtin:world-small"

[phase.model]
n_layer = 1
n_embd = 32
n_head = 2
block_size = 32

[phase.training]
steps = 12
replicas = 1
eval_every = 6
eval_tokens = 256

[[phase]]
name = "answering"
about = "conversations"

[phase.data]
source = "builtin:world-chat-small"

[phase.training]
steps = 12
"""

STUDY = "--preset bigram --mode tensor --steps 20 --axis training.lr=0.03,0.1 --axis tie_lm_head=false,true --jobs 1"


def _trainings() -> list[Command]:
    both = "--steps 20 --eval-every 10 --checkpoint-every 10 --set training.eval_tokens=128"
    runs = [
        Command(f"train-{preset}-{mode}", f"train --preset {preset} --mode {mode} {both} --out {RUNS}/{preset}-{mode}")
        for preset in SMALL
        for mode in ("scalar", "tensor")
    ]
    runs += [
        Command(f"train-{preset}", f"train --preset {preset} {options} --out {RUNS}/{preset}")
        for preset, options in LARGE.items()
    ]
    half = "train --preset mini-gpt --mode tensor --steps 20 --stop-at 10 --set training.eval_tokens=128"
    replicas = "train --preset nanogpt-cpu --steps 4 --batch-size 4 --replicas 2 --set training.eval_tokens=64"
    text = "train --preset microgpt --mode tensor --steps 4 --checkpoint-format json --sample-every 2"
    return [
        *runs,
        Command("train-half", f"{half} --out {RUNS}/half"),
        Command("train-replicas", f"{replicas} --out {RUNS}/replicas"),
        Command("train-json", f"{text} --tokenizer bpe --vocab-size 300 --data builtin:tales --out {RUNS}/text"),
        Command("train-from", f"train --from {RUNS}/bigram-tensor --steps 4 --lr 0.01 --out {RUNS}/tuned --json"),
        Command("train-partial", f"train --preset microgpt --mode tensor --steps 4 --from {RUNS}/mini-gpt-tensor "
                f"--partial h.* --out {RUNS}/partial"),
        Command("train-recipe", "train --recipe recipe.toml --out results/recipe --json"),
        Command("train-dry", "train --preset nanogpt-cpu --dry-run --json"),
        Command("train-refused", "train --lr -1"),
        Command("train-typo", "train --preset migrogpt"),
        Command("train-again", f"train --out {RUNS}/half"),
    ]  # fmt: skip


def _studies() -> list[Command]:
    return [
        Command("ablate-dry", f"ablate {STUDY} --seeds 3 --out results/study --dry-run --json"),
        Command("ablate", f"ablate {STUDY} --seeds 3 --out results/study --json"),
        Command("ablate-named", "ablate --study optimizers --steps 4 --seeds 2 --jobs 1 --out results/named --json"),
        Command("certify", f"certify --seed 5 --out results/certificate --json --preset {' --preset '.join(SMALL)}"),
    ]


def _texts() -> list[Command]:
    bpe = "tokenizer train --kind bpe --vocab-size 300 --data builtin:verse"
    return [
        Command("presets", "presets --json"),
        Command("doctor", "doctor --json"),
        Command("data-validate", "data validate builtin:facts --json"),
        Command("data-stats", "data stats builtin:facts --json"),
        Command("data-convert", "data convert builtin:facts facts.jsonl"),
        Command("data-convert-csv", "data convert builtin:world-chat-small chat.csv --chat-form text"),
        Command("data-bad", "data validate bad.jsonl --all --json"),
        Command("tokenizer-char", "tokenizer train --kind char --data builtin:names --out char.json --json"),
        Command("tokenizer-word", "tokenizer train --kind word --data builtin:facts --out word.json --json"),
        Command("tokenizer-bpe", f"{bpe} --out bpe.json --json"),
        Command("tokenizer-huggingface", f"{bpe} --pattern gpt2 --form huggingface --out hf.json --json"),
        Command("tokenizer-encode", "tokenizer encode --tokenizer bpe.json To_be,_or_not --json"),
        Command("tokenizer-decode", "tokenizer decode --tokenizer bpe.json 72 105 270 --json"),
        Command("tokenizer-inspect", "tokenizer inspect bpe.json whether --data builtin:verse --json"),
        Command("tokenizer-compare", "tokenizer compare bpe.json word.json --data builtin:facts --json"),
        Command("graph", "graph a*b+relu(c) a=2 b=-3 c=10"),
        Command("graph-svg", "graph a*b+relu(c) a=2 b=-3 c=10 --out graph.svg"),
    ]


MAKING = [*_texts(), *_trainings(), *_studies()]

BENCH = Command("bench", "bench --preset microgpt --rounds 1 --json")
"""Half a minute of measurements: made beside the others, and compared by its fields alone."""


def _reading_runs() -> list[Command]:
    words = "What is the capital of Peru?\n"
    return [
        Command("resume", f"train --resume {RUNS}/half"),
        Command("resume-changed", f"train --resume {RUNS}/half --lr 0.5"),
        Command("resume-more", f"train --resume {RUNS}/bigram-tensor --steps 30 --override --json"),
        Command("sample", f"sample --run {RUNS}/microgpt-tensor --n-samples 5 --seed 3 --json"),
        Command("sample-scalar", f"sample --run {RUNS}/microgpt-scalar --prompt em --temperature 0.5 --top-k 5"),
        Command("sample-beam", f"sample --run {RUNS}/mini-gpt-tensor --beam 3 --n-samples 3 --json"),
        Command("sample-beside", f"sample --run {RUNS}/mini-gpt-scalar --alternatives 3 --max-new-tokens 5 --json"),
        Command("sample-counts", f"sample --run {RUNS}/bigram-tensor --from-counts --n-samples 3"),
        Command("sample-stream", f"sample --run {RUNS}/nanochat-tiny --prompt To --max-new-tokens 30 --top-p 0.9"),
        Command("chat", "chat --run results/recipe/2-answering --seed 2 --max-new-tokens 8", words),
        Command("eval", f"eval --run {RUNS}/microgpt-tensor --json"),
        Command("eval-best", f"eval --run {RUNS}/mini-gpt-tensor --best --side train --out results/eval --json"),
        Command("eval-questions", "eval --run results/recipe/2-answering --questions world-small --json"),
        Command("runs-list", "runs list --json"),
        Command("runs-compare", f"runs compare {RUNS}/bigram-scalar {RUNS}/bigram-tensor --json"),
        Command("runs-table", f"runs compare {RUNS}/bigram-scalar {RUNS}/bigram-tensor"),
        Command("graph-run", f"graph --run {RUNS}/bigram-scalar --max-nodes 20"),
        Command("tokenizer-of-run", f"tokenizer encode --tokenizer {RUNS}/text once_upon --json"),
        Command("report-run", f"report {RUNS}/nanochat-words"),
        Command("report-study", "report results/study"),
        Command("report-recipe", "report results/recipe/1-reading"),
        Command("ablate-more", f"ablate {STUDY} --seeds 4 --out results/study --json"),
    ]


def _reading_checkpoints() -> list[Command]:
    step = f"{RUNS}/mini-gpt-tensor/checkpoints/step-00000010"
    return [
        Command("inspect", f"checkpoint inspect {RUNS}/microgpt-tensor --json"),
        Command("inspect-step", f"checkpoint inspect {step} --json"),
        Command("inspect-text", f"checkpoint inspect {RUNS}/text --json"),
        Command("diff", f"checkpoint diff {RUNS}/mini-gpt-tensor {step} --json"),
        Command("diff-modes", f"checkpoint diff {RUNS}/bigram-scalar {RUNS}/bigram-tensor --json"),
        Command("diff-models", f"checkpoint diff {RUNS}/bigram-scalar {RUNS}/rustgpt"),
        Command("convert", f"checkpoint convert {RUNS}/microgpt-tensor model.json --compress gzip --json"),
        Command("convert-binary", f"checkpoint convert {RUNS}/text model.safetensors"),
        Command("convert-gpt2", f"checkpoint convert {RUNS}/nanogpt-cpu gpt2 --to gpt2 --json"),
        Command("sample-converted", "sample --run model.json.gz --n-samples 2 --json"),
        Command("verify", f"checkpoint verify {RUNS}/bigram-scalar {RUNS}/text model.safetensors --json"),
        Command("verify-damaged", f"checkpoint verify {RUNS}/partial --json"),
        Command("prune-dry", f"checkpoint prune {RUNS}/mini-gpt-scalar --keep-last 1 --dry-run --json"),
        Command("prune", f"checkpoint prune {RUNS}/mini-gpt-scalar --keep-last 1 --json"),
    ]


READING = [*_reading_checkpoints(), *_reading_runs()]
"""Done on a copy of the material. `prune` and `resume` change it, and that is golden too."""

HELP = [
    "",
    *"train presets sample chat eval ablate report certify bench graph doctor runs checkpoint data tokenizer".split(),
    *(f"runs {name}" for name in "list compare".split()),
    *(f"checkpoint {name}" for name in "inspect convert diff verify prune".split()),
    *(f"data {name}" for name in "validate stats convert".split()),
    *(f"tokenizer {name}" for name in "train encode decode inspect compare".split()),
]
"""Whose --help is shown where it differs; groups and words may change, so that is no failure."""
