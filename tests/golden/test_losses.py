"""Twenty steps of every preset's architecture give the committed losses: a refactor that changes a number fails here.

losses.json is written by `make.py losses`. All cases are float64 and compared to 1e-12, relatively:
- Scalar mode is Python's own floats in an order that the code states, the same on every machine but for the last bit
  of exp, log and tanh in the C library (1e-16 a call, which twenty steps do not make ten thousand times larger).
- Tensor mode sums in the order of the machine's BLAS and SIMD. The kernels of a processor of 2008, and NumPy without
  AVX, moved these losses by 3e-16; the scalar path, which sums in another order, by 5e-16. 1e-12 is far above that
  and far below what any change to a formula does.
Presets train in float32 by default, where the same differences are 1e-7 and grow: `make.py compare` holds those,
to the bit, but on one machine.
"""

import json
from pathlib import Path

import pytest

from nanochat.cli import main

GOLDEN = json.loads(Path(__file__).with_name("losses.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", GOLDEN)
def test_twenty_steps_give_the_committed_losses(case, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SystemExit) as left:
        main(["train", *GOLDEN[case]["words"].split(), "--out", "run"])

    assert not left.value.code, capsys.readouterr().err
    rows = [json.loads(line) for line in Path("run/metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    losses = [row[key] for row in rows for key in ("loss", "val_loss") if key in row]
    assert losses == pytest.approx(GOLDEN[case]["losses"], rel=1e-12, abs=0)
