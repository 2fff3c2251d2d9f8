"""What an evaluation says follows from the model and the text alone, however it is batched."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from nanochat.data.chat import Message
from nanochat.data.world import build_world
from nanochat.experiments.evaluation import evaluate_model, read_with, reply_to
from nanochat.experiments.evaluation_report import to_dict, to_markdown
from nanochat.experiments.quiz import GROUPS, Answered, ask, by_group, by_relation
from nanochat.inference.counts import counts_language_model
from nanochat.training.evaluate import token_losses
from nanochat.training.prepare import prepare
from nanochat.training.resolve import resolve

pytestmark = pytest.mark.filterwarnings("ignore::nanochat.errors.NanochatWarning")  # held-out words are unknown

MODEL = {"n_layer": 1, "n_embd": 16, "n_head": 2, "block_size": 48, "init_scale": 0.3}


def build(source, **data):
    settings = {"preset": "mini-gpt", "mode": "tensor", "dtype": "float64", "model": MODEL}
    return prepare(resolve({**settings, "data": {"source": source, **data}, "training": {"steps": 0}}))


@pytest.fixture(scope="module")
def chat():
    """First weights on the conversations of the small world."""
    return build("builtin:world-chat-small", tokenizer="word")


@pytest.mark.parametrize("source", ["builtin:facts", "builtin:world-chat-small"])
def test_the_figures_do_not_depend_on_the_batch_size(source):
    workshop = build(source, tokenizer="word")
    data = workshop.config.data
    one, many = (evaluate_model(workshop.language_model, data, batch_size=n, max_replies=3).text for n in (1, 50))
    assert one.n_tokens == many.n_tokens
    assert math.isclose(one.loss, many.loss, rel_tol=1e-12)
    assert math.isclose(one.bits_per_byte, many.bits_per_byte, rel_tol=1e-12)


def test_the_loss_is_the_mean_over_every_token_of_the_side():
    workshop = build("builtin:facts")
    report = evaluate_model(workshop.language_model, workshop.config.data)
    nats, stream = [], workshop.dataset.val
    for begin, end in zip(stream.marks[:-1], stream.marks[1:], strict=True):
        ids = stream.ids[begin : end + 1].astype(int)
        for start in range(0, len(ids) - 1, 48):
            piece = ids[start : start + 49]
            nats += list(token_losses(workshop.language_model.logits(list(piece[:-1])), piece[1:]))
    assert report.text.n_tokens == len(nats)
    assert math.isclose(report.text.loss, float(np.mean(nats)), rel_tol=1e-12)


def test_bits_per_byte_divide_by_the_bytes_of_the_text():
    """A model that knows nothing pays log2 V bits for each character, which is one byte here."""
    workshop = build("builtin:facts")
    state = {name: np.zeros_like(weight) for name, weight in workshop.model.state_dict().items()}
    workshop.model.load_state_dict(state)
    report = evaluate_model(workshop.language_model, workshop.config.data)
    n_text = sum(len(text.encode()) for text in workshop.dataset.sides.val)
    assert report.n_text_bytes == n_text
    assert math.isclose(report.text.bits_per_byte, math.log2(workshop.dataset.tokenizer.vocab_size), rel_tol=1e-9)


def test_words_pay_for_the_spaces_between_them():
    """The same nats over more bytes: the tokens spell no space, the text has them."""
    workshop = build("builtin:facts", tokenizer="word")
    report = evaluate_model(workshop.language_model, workshop.config.data)
    spelled = int(workshop.dataset.tokenizer.token_bytes()[workshop.dataset.val.ids].sum())
    assert spelled < report.n_text_bytes == sum(len(text.encode()) for text in workshop.dataset.sides.val)


def test_a_reply_is_right_if_it_is_the_expected_text(chat):
    conversations = chat.dataset.sides.val[:2]
    replies = reply_to(chat.language_model, conversations)
    assert [reply.expected for reply in replies] == [one[-1].content for one in conversations]
    assert not any(reply.is_right for reply in replies), "these are first weights"
    assert replace(replies[0], said=f" {replies[0].expected.upper()}. ").is_right


def test_conversations_that_do_not_fit_are_counted(chat):
    long = (Message("user", "What is " * 60), Message("assistant", "Lima"))
    assert reply_to(chat.language_model, [long]) == ()


def test_answers_are_counted_by_what_was_taught(chat):
    questions = build_world("small").questions
    answered = [Answered(one, one.answer, True) for one in questions[:-1]] + [Answered(questions[-1], "no", False)]
    groups = by_group(answered)
    assert list(groups) == [name for name, *_ in GROUPS]
    assert sum(share.n for share in groups.values()) == len(questions)
    assert sum(share.n_right for share in groups.values()) == len(questions) - 1
    relations = by_relation(answered)
    assert set(relations) == {one.relation for one in questions}
    assert sum(share.n for found in relations.values() for share in found.values()) == len(questions)


def test_the_order_of_questions_and_their_batches_change_no_answer(chat):
    questions = build_world("small").questions[:30]
    forward = {one.question: one.said for one in ask(chat.language_model, questions, batch_size=7)}
    backward = {one.question: one.said for one in ask(chat.language_model, questions[::-1], batch_size=30)}
    assert forward == backward


def test_a_bigram_gives_one_answer_to_all(chat):
    counts = counts_language_model(read_with(chat.language_model, chat.config.data), boost_futuristic=False)
    answered = ask(counts, build_world("small").questions[:20])
    assert len({one.said for one in answered}) == 1
    assert len(answered) == 20


def test_the_report_shows_right_and_wrong_answers_and_its_json_has_the_same_figures(chat):
    questions = build_world("small").questions[:40]
    report = evaluate_model(chat.language_model, chat.config.data, questions=questions, max_replies=5)
    found = json.loads(json.dumps(to_dict(report, {"untrained": report.answered})))
    assert sum(group["n"] for group in found["questions"].values()) == 40
    assert found["baselines"]["untrained"] == found["questions"]
    text = "\n".join(to_markdown(report))
    assert f"{report.text.loss:.4f}" in text
    assert questions[0].text in text
    assert "Wrong:" in text
