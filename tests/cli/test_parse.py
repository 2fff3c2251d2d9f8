"""From words to a frozen command and nothing else; the help of every command."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from nanochat.cli.app import COMMANDS, main, parse
from nanochat.cli.options import flags
from nanochat.errors import ConfigError, UsageError
from nanochat.training.config import TrainingConfig

EXAMPLES = {}
for name, entry in COMMANDS.items():
    file = import_module(f"nanochat.cli.commands.{entry.module}").commands
    alone = len(file.registered_commands) == 1
    for command in file.registered_commands:
        EXAMPLES[(name,) if alone else (name, command.name)] = command.epilog
NAMES = list(EXAMPLES)
LINES = """train|sample|ablate|report|runs list|runs compare a b|presets|graph a*b a=2 b=3|doctor|data validate a.txt
    |data stats a.txt|data convert a.txt b.json|tokenizer train --kind bpe --data a.txt --out b.json
    |tokenizer encode --tokenizer b.json text|tokenizer decode --tokenizer b.json 1 2|tokenizer inspect b.json
    |tokenizer compare b.json c.json --data a.txt"""


@pytest.mark.parametrize("line", [line.strip() for line in LINES.split("|")])
def test_words_become_a_function_with_its_values_and_nothing_happens(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    first, second = parse(line.split()), parse(line.split())
    assert first.func.__module__.startswith(f"nanochat.cli.commands.{COMMANDS[line.split()[0]].module}")
    assert (first.func, first.args, first.keywords) == (second.func, second.args, second.keywords)
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr() == ("", "")


def test_words_that_name_a_model_do_not_read_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parse("train --from nowhere".split()).keywords["start_from"] == "nowhere"


@pytest.mark.parametrize("words", NAMES, ids=" ".join)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_command_has_help_with_an_example(words, flag, nanochat):
    done = nanochat(*words, flag)
    assert (done.code, done.err) == (0, "")
    assert f"Example: nanochat {' '.join(words)}" in " ".join(done.out.split())
    assert "\x1b" not in done.out


def test_the_help_of_the_whole_names_every_command(nanochat):
    done = nanochat("--help")
    assert done.code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in done.out
    assert ".." not in done.out.replace("COMMAND [ARGS]...", "")
    assert [line for line in done.out.splitlines() if line.endswith(":") and line[0] != " "] == [
        *("Options:", "Learn:", "Run:", "Study:", "Teach:", "File:", "More:")
    ]


def test_the_flags_of_a_training_stand_under_headings(nanochat):
    headings = re.findall(r"^(\w.*):$", nanochat("train", "--help").out, re.MULTILINE)
    assert headings == ["Options", "Model", "Data", "Optimisation", "Evaluation and checkpoints", "Output"]


@pytest.mark.parametrize("words", NAMES, ids=" ".join)
def test_the_example_of_every_command_parses(words, tmp_path, monkeypatch):
    import shlex

    monkeypatch.chdir(tmp_path)
    example = shlex.split(EXAMPLES[words].removeprefix("Example: nanochat "))
    assert parse(example) is not None


def test_the_version_is_printed(nanochat):
    from nanochat import __version__

    assert nanochat("--version") == (0, f"nanochat {__version__}\n", "")


def test_no_words_at_all_get_the_help(nanochat):
    done = nanochat()
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Usage: nanochat")


def test_every_flag_reaches_its_field():
    values = {int: "3", float: "0.25", bool: None, str: "4"}
    of_torch = {"device", "deterministic", "dtype", "compile"}
    for flag in flags():
        if flag.name in ("preset", "model_kind"):
            continue
        text = flag.choices[-1] if flag.choices else "cuda:1" if flag.name == "device" else values[flag.kind]
        extra = [] if text is None else [text]
        extra += ["--tokenizer", "word"] if flag.name == "vocab_size" else []  # of characters it has no meaning
        extra += ["--backend", "torch"] if flag.name in of_torch else []
        extra += ["--mode", "scalar", "--compile"] if flag.name == "check_every" else []
        preset = "microgpt" if flag.name == "check_every" else "nanogpt-cpu"
        config = parse(["train", "--preset", preset, "--batch-size", "12", flag.known.flag, *extra]).keywords["config"]
        found = config
        for name in flag.path.split("."):
            found = getattr(found, name)
        assert str(found) == (text or "True")


def test_switches_can_be_turned_off():
    config = parse(["train", "--preset", "microgpt", "--tie-lm-head", "--no-input-rmsnorm"]).keywords["config"]
    assert (config.model.tie_lm_head, config.model.input_rmsnorm) == (True, False)


@pytest.fixture
def toml(tmp_path) -> Path:
    path = tmp_path / "run.toml"
    path.write_text('preset = "mini-gpt"\n[training]\nlr = 0.5\nsteps = 10\nbatch_size = 2\n', encoding="utf-8")
    return path


def test_a_flag_wins_over_the_environment_that_over_the_file_that_over_the_preset(toml, monkeypatch):
    monkeypatch.setenv("NANOCHAT_LR", "0.25")
    monkeypatch.setenv("NANOCHAT_STEPS", "20")
    config = parse(["train", "--config", str(toml), "--steps", "30"]).keywords["config"]
    assert config.preset == "mini-gpt"
    assert (config.training.steps, config.training.lr, config.training.batch_size) == (30, 0.25, 2)
    assert config.training.eval_every == TrainingConfig().eval_every


def test_set_reaches_every_field_and_wins(monkeypatch):
    config = parse(["train", "--steps", "30", "--set", "training.steps=40", "--set", "n_layer=3"]).keywords["config"]
    assert (config.training.steps, config.model.n_layer) == (40, 3)


def test_an_empty_variable_is_no_setting(monkeypatch):
    monkeypatch.setenv("NANOCHAT_STEPS", "")
    assert parse(["train"]).keywords["config"].training.steps == 500


def test_replicas_are_a_number_or_auto():
    assert parse("train --mode tensor --batch-size 4 --replicas 2".split()).keywords["config"].training.replicas == 2
    assert parse("train --mode tensor --replicas auto".split()).keywords["config"].training.replicas == 0
    with pytest.raises(UsageError, match="--replicas 'many' is neither a number nor auto"):
        parse("train --replicas many".split())


def test_an_ablation_is_of_the_bigram_unless_somebody_says_otherwise(toml):
    assert parse(["ablate"]).keywords["study"].base.preset == "bigram"
    assert parse(["ablate", "--model-kind", "mini-gpt"]).keywords["study"].base.preset == "mini-gpt"
    assert parse(["ablate", "--preset", "microgpt"]).keywords["study"].base.preset == "microgpt"
    assert parse(["ablate", "--config", str(toml)]).keywords["study"].base.preset == "mini-gpt"
    assert parse(["ablate", "--set", "model_kind=mini-gpt"]).keywords["study"].base.preset == "mini-gpt"


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("steps = ", "is not valid TOML"),
        ("[training]\nstep = 3", "there is no setting training.step: did you mean 'steps'"),
        ("[training]\nsteps = 2020-01-01", "training.steps='2020-01-01'"),
        ("[training]\nlr = nan", "lr"),
        ("training = 3", "training=3 is not a table"),
        ("seed = 99999999999999999999999999", ""),
        ("model_kind = 3", "model_kind"),
        ("model_kind = []", "model_kind=[] is not a name"),
        ('preset = ["microgpt"]', "preset=['microgpt'] is not a name"),
    ],
)
def test_a_bad_file_of_settings_is_one_sentence(tmp_path, nanochat, content, part):
    (tmp_path / "bad.toml").write_text(content, encoding="utf-8")
    done = nanochat("train", "--config", tmp_path / "bad.toml", "--dry-run", "--data", "missing.txt")
    done.assert_refused(3, part)


def test_a_file_of_settings_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        parse(["train", "--config", str(tmp_path / "no.toml")])


def test_importing_the_command_line_loads_nothing_heavy():
    heavy = {"pydantic", "numpy", "matplotlib", "rich", "safetensors", "regex"}
    code = f"import sys, nanochat.cli.app; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_words_of_no_command_load_arrays():
    code = (
        "import sys; from importlib import import_module; from nanochat.cli.app import COMMANDS\n"
        "[import_module(f'nanochat.cli.commands.{entry.module}') for entry in COMMANDS.values()]\n"
        "print(sorted({'numpy', 'matplotlib', 'starlette'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_ctrl_c_while_the_words_are_read_is_not_taken_for_help(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nanochat.cli.commands.run.train.given_settings", interrupted)
    with pytest.raises(SystemExit) as end:
        main(["train"])
    assert end.value.code == 130
