"""What is sound passes: every preset, before it is trained and after."""

import numpy as np
import pytest

from nanochat.experiments.health.laws import LAWS, examine
from nanochat.experiments.health.subject import of_config, of_run
from nanochat.models.presets import PRESETS
from nanochat.training.resolve import resolve
from nanochat.training.run import run_training

SLOW = {"mini-gpt", "nanogpt-char"}  # seconds, not tenths


@pytest.mark.filterwarnings("ignore::nanochat.errors.NanochatWarning")
@pytest.mark.parametrize(
    "preset", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in PRESETS]
)
def test_no_preset_breaks_a_law(preset):
    broken = {f.law.name: f.number for f in examine(of_config(resolve({"preset": preset}))) if f.verdict == "fail"}
    assert not broken


def test_a_trained_run_is_examined_with_its_own_weights_and_left_as_it_was(tmp_path):
    config = resolve({"preset": "bigram", "mode": "tensor", "training": {"steps": 30}})
    run_training(config, out=tmp_path / "run")
    subject = of_run(tmp_path / "run")
    before = subject.model.state_dict()
    findings = {finding.law.name: finding for finding in examine(subject)}
    assert not [name for name, finding in findings.items() if finding.verdict == "fail"]
    assert findings["clip ratio"].verdict in ("pass", "not applicable")
    after = subject.model.state_dict()
    assert all(np.array_equal(after[name], weight) for name, weight in before.items())
    assert any(not np.array_equal(weight, subject.first_weights[name]) for name, weight in before.items())


def test_a_law_that_cannot_be_decided_is_not_passed():
    findings = {
        finding.law.name: finding for finding in examine(of_config(resolve({"preset": "bigram", "mode": "tensor"})))
    }
    assert findings["cache"].verdict == findings["rotation"].verdict == "not applicable"
    assert findings["cache"].number is None
    assert findings["cache"].sentence == "a bigram keeps no cache"


def test_names_are_unique_and_claims_are_sentences():
    assert len({law.name for law in LAWS}) == len(LAWS)
    assert all(law.claim[0].isupper() and not law.claim.endswith(".") for law in LAWS)
