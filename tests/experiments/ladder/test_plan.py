from dataclasses import replace

import pytest

from nanochat.errors import ConfigError
from nanochat.experiments.ladder.plan import Ladder, parse_ladder


def test_a_rung_is_the_study_with_one_setting_changed(ladder):
    for value, study in ladder.rungs.items():
        assert study.base.training.steps == value
        assert replace(study, base=ladder.study.base) == ladder.study
    assert (ladder.folder_of(8), ladder.beyond) == ("steps=8", 32)


@pytest.mark.parametrize(
    ("path", "values", "words"),
    [
        ("training.steps", (8,), "one rung"),
        ("training.steps", (8, 4), "do not rise"),
        ("training.steps", (8, 8), "do not rise"),
        ("training.steps", (0, 8), "do not rise from above 0"),
        ("training.lr", (0.1, 0.2), "training.lr is neither"),
        ("model.n_embd", (1, 2), "has no effect on a bigram"),
        ("training.steps", (1.5, 2), "does not fit"),
    ],
)
def test_what_is_no_ladder_is_refused(ladder, path, values, words):
    with pytest.raises(ConfigError, match=words):
        Ladder(ladder.study, path, values)


def test_what_the_study_varies_or_tunes_is_no_ladder_and_seeds_are_those_of_all_rungs(ladder):
    study = ladder.study
    for other in (
        replace(study, axes={"training.steps": (2, 4)}),
        replace(study, tune={"training.steps": (2, 4)}),
    ):
        with pytest.raises(ConfigError, match="steps is varied or tuned"):
            Ladder(other, "training.steps", (2, 4))
    with pytest.raises(ConfigError, match="same seeds at every rung"):
        Ladder(replace(study, seeds=12, looks=(8, 12)), "training.steps", (2, 4))
    epochs = replace(study.base, training=replace(study.base.training, epochs=2.0))
    with pytest.raises(ConfigError, match="epochs=2 decides the steps"):
        Ladder(replace(study, base=epochs), "training.steps", (2, 4))


def test_a_ladder_is_a_field_and_its_numbers():
    assert parse_ladder(["steps=50,100"]) == ("training.steps", (50, 100))
    for texts, words in ((["steps"], "no numbers"), (["norm=rms,layer"], "no numbers"), (["a=1", "b=2"], "one ladder")):
        with pytest.raises(ConfigError, match=words):
            parse_ladder(texts)
