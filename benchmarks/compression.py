"""The study of results/reference/compression: three teachers, and everything that is made of them.

python benchmarks/compression.py tinyshakespeare.txt [--only distilled] [--seeds 1337,1338,1339]
Teachers go to results/runs/teacher-SEED, the rest to results/reference/compression/NAME-SEED; what is there already is
kept, so it can be ended and begun again. Then `nanochat report` writes the table and the figure. One after the other it
takes about 25 CPU minutes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

TEACHERS, RESULTS = Path("results/runs"), Path("results/reference/compression")
JOBS = {
    "int8": "quantize --bits 8",
    "int4-gptq": "quantize --bits 4 --method gptq",
    "heads-mlp-tuned": "prune --heads 2 --mlp-width 256 --finetune-steps 200",
    "pattern-tuned": "prune --pattern 2:4 --finetune-steps 200",
    "distilled": "distill --layers 2 --steps 1000",
    "int4-nearest": "quantize --bits 4",
    "float16": "quantize --bits 16",
    "bfloat16": "quantize --bits 16 --float bfloat16",
    "half-sparsegpt": "prune --sparsity 0.5",
    "half-magnitude": "prune --sparsity 0.5 --method magnitude",
    "half-wanda": "prune --sparsity 0.5 --method wanda",
    "layers": "distill --from-layers 0,3 --steps 500 --no-controls",
}
SEEDED = {"distilled", "layers"}
"""Students, who are drawn and trained with the seed of their teacher."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="tinyshakespeare.txt, of 1,115,394 bytes")
    parser.add_argument("--only", default=",".join(JOBS), help="some of the jobs, with commas")
    parser.add_argument("--seeds", default="1337,1338,1339")
    arguments = parser.parse_args()
    for seed in arguments.seeds.split(","):
        teacher = TEACHERS / f"teacher-{seed}"
        if not (teacher / "record.json").exists():
            train = f"train --mode tensor --preset nanogpt-cpu --steps 2000 --seed {seed}"
            run(*train.split(), "--data", arguments.data, "--out", str(teacher))
        for name in arguments.only.split(","):
            out = RESULTS / f"{name}-{seed}"
            if not (out / "compression.json").exists():
                seeded = ["--seed", seed] if name in SEEDED else []
                run("compress", *JOBS[name].split(), *seeded, "--run", str(teacher), "--out", str(out), "--force")
    run("report", str(RESULTS))


def run(*words: str) -> None:
    """One command of ours, as a process of its own."""
    print("nanochat", *words, file=sys.stderr)
    subprocess.run([sys.executable, "-P", "-m", "nanochat", *words], check=True)


if __name__ == "__main__":
    main()
