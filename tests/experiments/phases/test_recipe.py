"""A recipe that cannot be is refused while it is read, with the file and the phase."""

import pytest

from nanochat.errors import ConfigError
from nanochat.experiments.phases.recipe import configs_of, read_phases


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[[phase]]", "[phase]"), "no phases"),
        (('name = "answering"', 'name = "reading"'), "two phases of one name"),
        (('name = "answering"', 'name = "../x"'), "phase 2 has name"),
        (('name = "answering"', 'nome = "answering"'), "phase 2 has name=None"),
        (("[[phase]]", "colour = 1\n[[phase]]"), "bad.toml: there is no setting colour"),
        (('questions = "world-small"', 'questions = "moon"'), "bad.toml: questions='moon' does not fit"),
        (
            ('preset = "mini-gpt"', 'presett = "mini-gpt"'),
            "has an unknown key 'presett': did you mean 'preset'",
        ),
        (('preset = "mini-gpt"', 'preset = "minigpt"'), r"phase 1 \(reading\): there is no preset 'minigpt'"),
        (("n_head = 2", "n_head = 3"), r"phase 1 \(reading\): n_embd=16 is not divisible"),
        ((', tokenizer = "word"', ""), 'model of characters.* write tokenizer = "word"'),
    ],
)
def test_a_bad_recipe_is_one_sentence(recipe_text, tmp_path, change, message):
    path = tmp_path / "bad.toml"
    text = recipe_text.replace(*change) if change[0] != "[[phase]]" else recipe_text.replace(change[0], change[1], 1)
    if change[1] == "[phase]":
        text = text.split("[[phase]]")[0]
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_phases(path)


SECOND = 'data = { source = "builtin:world-chat-small" }'


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "names no text"),
        ("data = 3", "names no text"),
        (SECOND + "\nmodel = { n_embd = 32 }", "model.n_embd cannot change here"),
        (SECOND + '\nmodel_kind = "bigram"', "model_kind=bigram does not fit"),
        (SECOND[:-1] + ', tokenizer = "bpe" }', "data.tokenizer cannot change here"),
        (SECOND[:-1] + ", vocab_size = 300 }", "data.vocab_size cannot change here"),
        (SECOND[:-1] + ", sorce = 1 }", "no setting data.sorce: did you mean 'source'"),
    ],
)
def test_a_later_phase_is_checked_before_the_first_is_trained(recipe_text, tmp_path, line, message):
    path = tmp_path / "bad.toml"
    path.write_text(recipe_text.replace(SECOND, line), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"bad\.toml: phase 2 \(answering\).*{message}"):
        read_phases(path)


def test_a_later_phase_has_the_tokenizer_of_the_first_in_its_settings(recipe):
    assert [config.data.tokenizer for config in configs_of(recipe.phases)] == ["word", "word"]


def test_a_recipe_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.toml does not exist"):
        read_phases(tmp_path / "nowhere.toml")
