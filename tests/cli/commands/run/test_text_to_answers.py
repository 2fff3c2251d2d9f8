"""Raw sentences, then conversations, then questions: three commands, none of which names a model or a tokenizer."""

import io
import json
import sys

import pytest

CAPITALS = {"France": "Paris", "Japan": "Tokyo", "Peru": "Lima", "Kenya": "Nairobi"}
SMALL = ("--set", "model.n_embd=32", "--set", "model.n_layer=1", "--set", "model.dropout=0", "--batch-size", 4)
SHORT = ("--lr", 0.01, "--set", "training.warmup=5", "--eval-every", 0, "--replicas", 1)


def question(country: str) -> str:
    return f"What is the capital of {country}?"


@pytest.fixture
def files(tmp_path):
    facts = [f"The capital of {country} is {city}." for country, city in CAPITALS.items()]
    asked = [
        {"messages": [{"role": "user", "content": question(country)}, {"role": "assistant", "content": city}]}
        for country, city in CAPITALS.items()
    ]
    (tmp_path / "facts.json").write_text(json.dumps(facts * 3), encoding="utf-8")
    (tmp_path / "chat.json").write_text(json.dumps(asked * 3), encoding="utf-8")


@pytest.mark.slow
def test_a_model_answers_about_the_facts_that_it_read(nanochat, files, monkeypatch):
    told = nanochat("train", "--data", "facts.json", "--out", "told", "--steps", 40, *SMALL, *SHORT)
    assert told.code == 0, told
    assert "preset nanochat-words; --preset chooses another" in told.err
    assert "mode=tensor" in told.out
    tuned = nanochat("train", "--from", "told", "--data", "chat.json", "--out", "tuned", "--steps", 150, *SHORT)
    assert tuned.code == 0, tuned
    typed = "".join(f"{question(country)}\n" for country in CAPITALS)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
    talk = nanochat("chat", "--run", "tuned")
    assert talk.out.split() == list(CAPITALS.values())


def test_a_preset_that_was_chosen_is_not_announced(nanochat, files):
    asked = nanochat("train", "--data", "facts.json", "--preset", "bigram", "--steps", 1, "--out", "run")
    assert asked.code == 0, asked
    assert "--preset chooses" not in asked.err
