"""From a file of questions and answers to a model that answers them."""

import json
from dataclasses import replace

import numpy as np
import pytest

from nanochat.data.chat import ChatTemplate
from nanochat.models.base import logits_array
from nanochat.training.evaluate import evaluate
from nanochat.training.prepare import prepare
from nanochat.training.resolve import resolve
from nanochat.training.trainer import train_steps

FACTS = {"Peru": "Lima", "France": "Paris", "Japan": "Tokyo", "Kenya": "Nairobi", "Norway": "Oslo", "Egypt": "Cairo"}
PHRASES = ("What is the capital of {}?", "Name the capital of {}.", "Which city rules {}?")
TEMPLATE = ChatTemplate()


@pytest.fixture
def config(tmp_path):
    def resolved(**data):
        rows = [
            [{"role": "user", "content": phrase.format(land)}, {"role": "assistant", "content": f"It is {city}."}]
            for phrase in PHRASES
            for land, city in FACTS.items()
        ]
        path = tmp_path / "chat.json"
        path.write_text(json.dumps(rows), encoding="utf-8")
        return resolve(
            {
                "preset": "microgpt",
                "mode": "tensor",
                "model": {"block_size": 32, "n_embd": 32, "positions": "rope"},
                "data": {"source": str(path), "tokenizer": "word", **data},
                "training": {"steps": 200, "batch_size": 8, "lr": 0.005, "eval_tokens": 0},
            }
        )

    return resolved


def trained(config):
    session = prepare(config)
    steps = train_steps(session.model, session.optimizer, session.accumulate, session.batches.batch, config.training)
    for _ in steps:
        pass
    return session


def answer(session, question):
    """Greedy."""
    tokenizer = session.dataset.tokenizer
    ids = [tokenizer.bos_id, *TEMPLATE.encode_prompt(tokenizer, (question,))]
    n_prompt = len(ids)
    while len(ids) < 32 and ids[-1] != TEMPLATE.end_id(tokenizer):
        ids.append(int(logits_array(session.model, np.array([ids]))[0, -1].argmax()))
    return tokenizer.decode(ids[n_prompt:-1])


@pytest.mark.slow
@pytest.mark.parametrize("packing", ["none", "isolated", "joined"])
def test_a_model_trained_on_conversations_answers_their_questions(config, packing):
    session = trained(config(packing=packing))
    for conversation in session.dataset.sides.train:
        question, reply = conversation
        assert answer(session, question) == reply.content


def test_only_answers_are_validated_unless_all_tokens_are_asked_for(config):
    def measured(loss_on):
        session = prepare(config(loss_on=loss_on))
        return evaluate(session.model, session.validation(), session.dataset.tokenizer.token_bytes())

    answers, everything = measured("answers"), measured("all")
    assert answers.n_tokens == len(["It", "is", "Oslo", ".", "<|end|>"])
    assert everything.n_tokens > answers.n_tokens


def test_scalar_and_tensor_mode_lose_the_same_on_packed_conversations(config):
    tensor = replace(config(packing="isolated"), dtype="float64")
    tensor = replace(tensor, training=replace(tensor.training, batch_size=2))
    losses = []
    for mode in ("scalar", "tensor"):
        session = prepare(replace(tensor, mode=mode))
        batch = session.batches.batch(0)
        assert batch.segments.max() > 0
        losses.append(float(session.model.loss(*batch)))
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)
