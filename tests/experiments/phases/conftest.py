"""A recipe of two phases that take seconds."""

import pytest

from nanochat.experiments.phases.recipe import read_phases

RECIPE = """
title = "Two phases"
questions = "world-small"
prompts = ["What is the capital of France?"]

[[phase]]
name = "reading"
about = "sentences"
preset = "mini-gpt"
mode = "tensor"
model = { n_embd = 16, n_head = 2, block_size = 32 }
data = { source = "builtin:world-small", tokenizer = "word" }
training = { steps = 4, batch_size = 8, eval_tokens = 128 }

[[phase]]
name = "answering"
data = { source = "builtin:world-chat-small" }
training = { steps = 4, batch_size = 8, eval_tokens = 128 }
"""


@pytest.fixture(scope="session")
def recipe_text() -> str:
    return RECIPE


@pytest.fixture
def recipe(recipe_text, tmp_path):
    path = tmp_path / "two.toml"
    path.write_text(recipe_text, encoding="utf-8")
    return read_phases(path)
