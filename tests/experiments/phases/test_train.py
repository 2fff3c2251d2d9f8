"""Training in phases: one goes on from the other, and what is finished is not done again."""

import json
from dataclasses import replace
from itertools import product

import pytest

from nanochat.errors import ConfigError, DataError, GuardError
from nanochat.experiments.ablation.sweep import run_ablation
from nanochat.experiments.phases.recipe import read_phases
from nanochat.experiments.phases.report import write_phases_report
from nanochat.experiments.phases.train import PhaseStarted, folder_of, run_phases
from nanochat.storage.lock import folder_locked
from nanochat.training.folder.record import read_run
from nanochat.training.run import run_training


def test_a_phase_begins_with_the_model_of_the_one_before(recipe, tmp_path):
    first, second = run_phases(recipe, tmp_path / "out")
    assert (first.status, second.status) == ("ok", "ok")
    earlier, later = (read_run(folder_of(tmp_path / "out", recipe, n)).config for n in (1, 2))
    assert later.start_from == str(folder_of(tmp_path / "out", recipe, 1))
    assert later.model == replace(earlier.model, vocab_size=later.model.vocab_size)
    assert later.model.vocab_size > earlier.model.vocab_size, "questions have words that sentences have not"


def test_what_is_finished_is_not_trained_again(recipe, tmp_path):
    records = run_phases(recipe, tmp_path / "out")
    events = []
    assert run_phases(recipe, tmp_path / "out", observe=events.append) == records
    assert [event.was_there for event in events if isinstance(event, PhaseStarted)] == [True, True]
    assert len(events) == 2, "no step was done"


def test_an_interrupted_phase_goes_on(recipe, tmp_path):
    calls = iter([False, False, True])
    (only,) = run_phases(recipe, tmp_path / "out", should_stop=lambda: next(calls, True))
    assert only.status == "interrupted"
    whole, parts = run_phases(recipe, tmp_path / "whole"), run_phases(recipe, tmp_path / "out")
    assert [record.val_loss for record in parts] == [record.val_loss for record in whole]


def test_another_recipe_does_not_mix_with_it(recipe, tmp_path):
    run_phases(recipe, tmp_path / "out")
    with pytest.raises(GuardError, match="another recipe"):
        run_phases(replace(recipe, title="Other"), tmp_path / "out")


def test_the_report_has_phases_samples_baselines_and_the_outcome_first(recipe, tmp_path):
    run_phases(recipe, tmp_path / "out")
    write_phases_report(tmp_path / "out", recipe, "nanochat train --recipe two.toml")
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line]
    assert lines[0] == "# Two phases"
    assert "of the taught facts are answered" in lines[1]
    assert "| untrained | bigram counts |" in text
    assert "| What is the capital of France? |" in text
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))
    assert set(found["baselines"]) == {"untrained", "bigram counts"}


def test_the_text_of_a_later_phase_is_read_before_the_first_is_trained(recipe_text, tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text(recipe_text.replace("builtin:world-chat-small", "chat.json"), encoding="utf-8")
    events = []
    with pytest.raises(DataError, match=r"there is no file chat\.json"):
        run_phases(read_phases(path), tmp_path / "out", observe=events.append)
    assert not events
    assert not (tmp_path / "out").exists(), "nothing was done"


def test_phases_of_a_text_that_changed_are_not_mixed(recipe_text, tmp_path):
    text = tmp_path / "told.txt"
    text.write_text("\n".join(f"{a} comes after {b}." for a, b in product("abcdef", repeat=2)), encoding="utf-8")
    path = tmp_path / "two.toml"
    path.write_text(recipe_text.replace("builtin:world-small", str(text)), encoding="utf-8")
    recipe = read_phases(path)
    run_phases(recipe, tmp_path / "out")
    text.write_text(text.read_text(encoding="utf-8").replace("after", "before"), encoding="utf-8")
    with pytest.raises(GuardError, match=r"told\.txt has changed since .*1-reading was trained"):
        run_phases(recipe, tmp_path / "out")


def test_a_phase_that_was_trained_anew_is_not_the_one_that_the_next_began_with(recipe, tmp_path):
    out = tmp_path / "out"
    run_phases(recipe, out)
    reading = folder_of(out, recipe, 1)
    config = read_run(reading).config
    run_training(replace(config, seed=config.seed + 1), out=reading)
    with pytest.raises(GuardError, match=r"1-reading has changed since .*2-answering was trained"):
        run_phases(recipe, out)


def test_one_process_at_a_time_is_at_work_in_a_recipe_and_in_its_phases(recipe, tmp_path):
    run_phases(recipe, tmp_path / "out", should_stop=lambda: True)
    for folder, who in ((tmp_path / "out", "recipe"), (folder_of(tmp_path / "out", recipe, 1), "run")):
        for force in (False, True):
            with folder_locked(folder, who), pytest.raises(GuardError, match=f"another {who}"):
                run_phases(recipe, tmp_path / "out", force=force)


def test_a_recipe_replaces_nothing_that_others_wrote(recipe, tmp_path):
    for name in ("report.md", "1-reading"):
        out = tmp_path / name
        (out / name).mkdir(parents=True)
        with pytest.raises(GuardError, match=f"{name} is in the way"):
            run_phases(recipe, out, force=True)
        assert (out / name).is_dir()


CHARACTERS = """
[[phase]]
name = "one"
preset = "bigram"
mode = "tensor"
data = { source = "TEXT" }
training = { steps = 2, eval_tokens = 32 }

[[phase]]
name = "two"
data = { source = "builtin:world-small" }
training = { steps = 2, eval_tokens = 32 }
"""


def of_characters(tmp_path, text, second="TEXT"):
    path = tmp_path / "characters.toml"
    content = CHARACTERS.replace("builtin:world-small", second).replace("TEXT", str(text))
    path.write_text(content, encoding="utf-8")
    return read_phases(path)


def test_a_recipe_without_prompts_asks_nothing_of_its_models(tmp_path, tiny_text):
    recipe = of_characters(tmp_path, tiny_text)
    assert [record.status for record in run_phases(recipe, tmp_path / "out")] == ["ok", "ok"]
    assert not (tmp_path / "out" / "samples.json").exists()


def test_conversations_for_a_model_of_characters_are_refused_before_anything_is_trained(tmp_path, tiny_text):
    events, recipe = [], of_characters(tmp_path, tiny_text, "builtin:world-chat-small")
    with pytest.raises(ConfigError, match="holds conversations, and a model of characters cannot tell turns apart"):
        run_phases(recipe, tmp_path / "out", observe=events.append)
    assert events == []


@pytest.mark.parametrize("force", [False, True])
def test_a_recipe_a_run_and_a_study_do_not_share_a_folder(tmp_path, tiny_text, tiny_run, tiny_study, force):
    recipe = of_characters(tmp_path, tiny_text)
    run_training(tiny_run, out=tmp_path / "run", should_stop=lambda: True)
    run_ablation(tiny_study, tmp_path / "study", should_stop=lambda: True)
    for name in ("run", "study"):
        with pytest.raises(GuardError, match=r"another kind, as config\.json in it says"):
            run_phases(recipe, tmp_path / name, force=force)
    run_phases(recipe, tmp_path / "phases", should_stop=lambda: True)
    for start in (run_training, run_ablation):
        with pytest.raises(GuardError, match=r"another kind, as recipe\.json in it says"):
            start(*((tiny_run,) if start is run_training else (tiny_study,)), out=tmp_path / "phases")
