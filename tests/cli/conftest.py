"""Two ways to run a command: in this process, which is fast, and as a process of its own, which can be stopped.

And models that nobody has to train.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from nanochat.cli.app import main
from nanochat.data.chat import ChatTemplate
from nanochat.inference.language_model import LanguageModel
from nanochat.models.build import build_model
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.initial import draw_weights
from nanochat.tokenizers import Tokenizer, WordTokenizer


class Done(NamedTuple):
    """What a command left on the screen."""

    code: int
    out: str
    err: str

    @property
    def complaints(self) -> list[str]:
        """The lines in which the program says that something is wrong."""
        return [line for line in self.err.splitlines() if line.startswith("nanochat: ")]

    def assert_refused(self, code: int, part: str) -> None:
        """One sentence, the right exit code, no traceback."""
        assert self.code == code, self
        assert "Traceback" not in self.err
        assert len(self.complaints) == 1, self.err
        assert part in self.complaints[0]


@pytest.fixture
def nanochat(capsys, monkeypatch, tmp_path) -> Callable[..., Done]:
    """Run `nanochat <words>` in tmp_path."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> Done:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        return Done(int(left.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def abab(tmp_path) -> Path:
    path = tmp_path / "abab.txt"
    path.write_text("ab" * 300, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def _trained() -> dict[tuple[str, ...], Path]:
    return {}


@pytest.fixture
def trained(nanochat, _trained, tmp_path, tmp_path_factory) -> Callable[..., Path]:
    """Lay the folder `run` of `nanochat train <words>`, on the text "abab...": trained once, copied for each test."""

    def lay(*words: object) -> Path:
        key = tuple(map(str, words))
        if key not in _trained:
            home = tmp_path_factory.mktemp("trained")
            (home / "abab.txt").write_text("ab" * 300, encoding="utf-8")
            done = nanochat("train", *words, "--data", home / "abab.txt", "--out", home / "run")
            assert done.code == 0, done
            _trained[key] = home / "run"
        return Path(shutil.copytree(_trained[key], tmp_path / "run"))

    return lay


@pytest.fixture
def random_model(tmp_path) -> Callable[[Tokenizer], LanguageModel]:
    """Make a model of random weights with a context of 32 tokens; it lies in model.json of the folder."""

    def make(tokenizer: Tokenizer) -> LanguageModel:
        config = GPTConfig(
            vocab_size=tokenizer.vocab_size, block_size=32, n_embd=8, n_head=2, zero_init_proj=False, init_scale=0.5
        )
        built = build_model(config, "tensor", "float64")
        built.load_state_dict(draw_weights(config.parameters(), np.random.default_rng(5)))
        model = LanguageModel(built, tokenizer, config, "gpt", "tensor", stops_at_bos=True)
        model.save(tmp_path / "model.json")
        return model

    return make


@pytest.fixture
def chat_model(random_model) -> LanguageModel:
    """One that knows the marks of a chat."""
    return random_model(
        WordTokenizer.train("what is the capital of Peru ? yes no", special_tokens=ChatTemplate().special_tokens)
    )


@pytest.fixture
def start(tmp_path) -> Any:
    """Start `nanochat <words>` in tmp_path as a process; whatever still runs at the end of the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def begin(*words: object, **options: Any) -> subprocess.Popen[str]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("NANOCHAT_")}
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": tmp_path, "env": environment} | options
        command = [sys.executable, "-P", "-m", "nanochat", *map(str, words)]
        process = subprocess.Popen(command, text=True, encoding="utf-8", **options)
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()
