"""What an evaluation says follows from the model and the text alone, however it is batched."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from nanochat.data.builtin.world import build_world
from nanochat.data.chat import Message
from nanochat.data.dataset import build_dataset
from nanochat.data.files import text as reading
from nanochat.experiments.evaluation import quiz
from nanochat.experiments.evaluation.evaluate import Reply, Report, evaluate_model, reply_to
from nanochat.experiments.evaluation.quiz import GROUPS, UNDERSTOOD, Answered, ask, by_group, by_relation
from nanochat.experiments.evaluation.report import bleu_text, caveats, to_dict, to_markdown
from nanochat.inference.counts import counts_language_model
from nanochat.training.evaluate import Evaluation, token_losses
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
    session = build(source, tokenizer="word")
    data = session.config.data
    one, many = (evaluate_model(session.language_model, data, batch_size=n, max_replies=3).text for n in (1, 50))
    assert one.n_tokens == many.n_tokens
    assert math.isclose(one.loss, many.loss, rel_tol=1e-12)
    assert math.isclose(one.bits_per_byte, many.bits_per_byte, rel_tol=1e-12)


def test_the_loss_is_the_mean_over_every_token_of_the_side():
    session = build("builtin:facts")
    report = evaluate_model(session.language_model, session.config.data)
    nats, stream = [], session.dataset.val
    for begin, end in zip(stream.marks[:-1], stream.marks[1:], strict=True):
        ids = stream.ids[begin : end + 1].astype(int)
        for start in range(0, len(ids) - 1, 48):
            piece = ids[start : start + 49]
            nats += list(token_losses(session.language_model.logits(list(piece[:-1])), piece[1:]))
    assert report.text.n_tokens == len(nats)
    assert math.isclose(report.text.loss, float(np.mean(nats)), rel_tol=1e-12)


def test_bits_per_byte_divide_by_the_bytes_of_the_text():
    """A model that knows nothing pays log2 V bits for each character, which is one byte here."""
    session = build("builtin:facts")
    state = {name: np.zeros_like(weight) for name, weight in session.model.state_dict().items()}
    session.model.load_state_dict(state)
    report = evaluate_model(session.language_model, session.config.data)
    n_text = sum(len(text.encode()) for text in session.dataset.sides.val)
    assert report.n_text_bytes == n_text
    assert math.isclose(report.text.bits_per_byte, math.log2(session.dataset.tokenizer.vocab_size), rel_tol=1e-9)


def test_words_pay_for_the_spaces_between_them():
    """The same nats over more bytes: the tokens spell no space, the text has them."""
    session = build("builtin:facts", tokenizer="word")
    report = evaluate_model(session.language_model, session.config.data)
    spelled = int(session.dataset.tokenizer.token_bytes()[session.dataset.val.ids].sum())
    assert spelled < report.n_text_bytes == sum(len(text.encode()) for text in session.dataset.sides.val)


def test_an_unknown_word_costs_what_it_costs_to_say_so():
    """A model that knows nothing pays log2 V bits for <UNK> as for any word, and the text is as long as it is."""
    session = build("builtin:facts", tokenizer="word")
    state = {name: np.zeros_like(weight) for name, weight in session.model.state_dict().items()}
    session.model.load_state_dict(state)
    report = evaluate_model(session.language_model, session.config.data)
    ids = session.dataset.val.ids
    n_words, n_unknown = int((ids != 0).sum()), int((ids == 1).sum())
    assert n_unknown > 0
    bits = n_words * math.log2(session.dataset.tokenizer.vocab_size)
    assert math.isclose(report.text.bits_per_byte, bits / report.n_text_bytes, rel_tol=1e-9)
    assert report.unknown_share == n_unknown / report.text.n_tokens
    assert f"{100 * report.unknown_share:.2g} % of the tokens are not in the vocabulary" in caveats(report)[0]


def test_words_that_are_left_out_are_counted_among_the_unknown():
    unk, skip = (build("builtin:facts", tokenizer="word", unknown=policy) for policy in ("unk", "skip"))
    told, left_out = (evaluate_model(one.language_model, one.config.data) for one in (unk, skip))
    assert told.unknown_share == left_out.unknown_share > 0
    assert left_out.text.n_tokens < told.text.n_tokens
    assert left_out.n_text_bytes == told.n_text_bytes


def test_the_first_character_of_a_text_is_not_among_the_bytes_that_are_paid_for(tmp_path):
    """Nothing comes before it, so nothing predicts it: a few bytes of a short text are a large part."""
    (tmp_path / "short.txt").write_text("a café, a cat. " * 4, encoding="utf-8")
    session = build(str(tmp_path / "short.txt"), val_fraction=0.5)
    state = {name: np.zeros_like(weight) for name, weight in session.model.state_dict().items()}
    session.model.load_state_dict(state)
    report = evaluate_model(session.language_model, session.config.data)
    (text,) = session.dataset.sides.val
    bits = (len(text) - 1) * math.log2(session.dataset.tokenizer.vocab_size)
    assert report.n_text_bytes == len(text[1:].encode())
    assert math.isclose(report.text.bits_per_byte, bits / report.n_text_bytes, rel_tol=1e-9)


def test_both_sides_together_are_every_token_of_the_text(tmp_path):
    (tmp_path / "abc.txt").write_text("abcabdabcabcabd" * 90, encoding="utf-8")
    session = build(str(tmp_path / "abc.txt"))
    val, train, both = (
        evaluate_model(session.language_model, session.config.data, side=side) for side in ("val", "train", "all")
    )
    assert both.n_text_bytes == val.n_text_bytes + train.n_text_bytes
    sums = [report.text.loss * report.text.n_tokens for report in (val, train, both)]
    assert both.text.n_tokens == val.text.n_tokens + train.text.n_tokens
    assert math.isclose(sums[2], sums[0] + sums[1], rel_tol=1e-12)


def test_a_text_too_short_to_split_counts_once_and_is_told(tmp_path):
    (tmp_path / "tiny.txt").write_text("ab\n", encoding="utf-8")
    session = build(str(tmp_path / "tiny.txt"))
    report = evaluate_model(session.language_model, session.config.data, side="all")
    assert report.text.n_tokens == 2
    assert "too short" in caveats(report)[0]
    assert to_dict(report)["val_is_train"] is True


def test_a_text_larger_than_memory_has_the_figures_that_it_has_in_memory(tmp_path, monkeypatch):
    path = tmp_path / "text.txt"
    path.write_text("the cat sat on the mat.\n" * 40, encoding="utf-8")
    session = build(str(path), layout="stream", cache=str(tmp_path / "cache"))
    in_memory = evaluate_model(session.language_model, session.config.data)
    monkeypatch.setattr(reading, "LIMIT_BYTES", 100)
    on_disk = evaluate_model(session.language_model, session.config.data)
    assert (on_disk.text, on_disk.n_text_bytes) == (in_memory.text, in_memory.n_text_bytes)


def test_replies_of_a_word_have_no_bleu_of_runs_of_four_words():
    conversation = (Message("user", "The capital of Peru?"),)
    text = Evaluation(loss=1.0, bits_per_byte=1.0, n_tokens=1)
    right, wrong = (
        Report("chat.json", "val", text, 1, 0.0, False, replies=(Reply(conversation, "Lima", said),))
        for said in ("Lima", "Paris")
    )
    assert bleu_text(right).startswith("-")
    assert bleu_text(wrong) == "0.0"


def test_a_reply_is_right_if_it_is_the_expected_text(chat):
    conversations = [one for one in chat.dataset.sides.val if len(one) == 2][:2]
    replies = reply_to(chat.language_model, conversations)
    assert [reply.expected for reply in replies] == [one[-1].content for one in conversations]
    assert not any(reply.is_right for reply in replies), "these are first weights"
    assert replace(replies[0], said=f" {replies[0].expected.upper()}. ").is_right


def test_conversations_that_do_not_fit_are_counted(chat):
    long = (Message("user", "What is " * 60), Message("assistant", "Lima"))
    assert reply_to(chat.language_model, [long]) == ()


def test_answers_are_counted_by_what_was_taught():
    questions = build_world("small").questions
    alone = [Answered(one, one.answer, True) for one in questions[:-1]] + [Answered(questions[-1], "no", False)]
    groups = by_group(alone)
    assert list(groups) == [name for name, *_, turn in GROUPS if turn == 1]
    assert sum(share.n for share in groups.values()) == len(questions)
    assert sum(share.n_right for share in groups.values()) == len(questions) - 1
    relations = by_relation(alone)
    assert set(relations) == {one.relation for one in questions}
    assert sum(share.n for found in relations.values() for share in found.values()) == len(questions)


def test_answers_at_later_turns_are_counted_apart():
    (question,) = [one for one in build_world("small").questions if one.taught_fact and not one.taught_phrasing][:1]
    answered = [Answered(question, "", turn < 3, turn) for turn in (1, 2, 3, 4)]
    shares = {name: share.n_right for name, share in by_group(answered).items()}
    assert shares == {UNDERSTOOD: 1, f"{UNDERSTOOD}, turn 2": 1, f"{UNDERSTOOD}, turn 3": 0, f"{UNDERSTOOD}, turn 4": 0}
    assert by_relation(answered)[question.relation][UNDERSTOOD].n == 1


def asked_in_turn(questions, monkeypatch, said):
    """What `ask` puts to a model that answers `said(conversation)`, and what comes of it."""
    put = []

    def answers(language_model, conversations, **options):
        put.extend(conversations)
        return map(said, conversations)

    monkeypatch.setattr(quiz, "answers", answers)
    monkeypatch.setattr(quiz, "fits", lambda language_model, conversation: len(conversation) <= 5)  # three turns
    return put, ask(build("builtin:facts").language_model, questions)


def test_each_question_that_is_to_be_understood_is_asked_at_each_turn_after_others_and_their_answers(monkeypatch):
    questions = build_world("small").questions
    asked_on = [one for one in questions if one.taught_fact and not one.taught_phrasing]
    put, answered = asked_in_turn(questions, monkeypatch, lambda conversation: conversation[-1].content.upper())
    assert [one.question for one in answered if one.turn == 1] == list(questions)
    for turn in (2, 3, 4):
        assert {one.question for one in answered if one.turn == turn} == set(asked_on)
    assert {len(conversation) for conversation in put} == {1, 3, 5}, "the fourth turn reads the three that fit"
    for conversation in put:
        texts = [message.content for message in conversation]
        assert texts[1::2] == [text.upper() for text in texts[:-1:2]], "its own answers"
        assert len(set(texts)) == len(texts), "a question does not follow itself"


def test_an_empty_answer_counts_for_no_turn(monkeypatch):
    put, answered = asked_in_turn(build_world("small").questions[:12], monkeypatch, lambda conversation: "")
    assert {len(conversation) for conversation in put} == {1}
    assert {one.turn for one in answered} == {1, 2, 3, 4}


def test_the_order_of_questions_and_their_batches_change_no_answer(chat):
    questions = build_world("small").questions[:30]
    forward = ask(chat.language_model, questions, batch_size=7)
    backward = ask(chat.language_model, questions[::-1], batch_size=30)
    assert {one.turn for one in forward} == {1, 2, 3, 4}
    assert set(forward) == set(backward)


def test_a_bigram_gives_one_answer_to_all(chat):
    counts = counts_language_model(
        build_dataset(chat.config.data, chat.language_model.tokenizer), boost_futuristic=False
    )
    answered = ask(counts, build_world("small").questions[:20])
    assert len({one.said for one in answered}) == 1
    assert len([one for one in answered if one.turn == 1]) == 20


def test_the_report_shows_right_and_wrong_answers_and_its_json_has_the_same_figures(chat):
    questions = build_world("small").questions[:40]
    report = evaluate_model(chat.language_model, chat.config.data, questions=questions, max_replies=5)
    found = json.loads(json.dumps(to_dict(report, {"untrained": report.answered})))
    assert sum(group["n"] for name, group in found["questions"].items() if "turn" not in name) == 40
    assert found["questions"][f"{UNDERSTOOD}, turn 4"]["n"] == found["questions"][UNDERSTOOD]["n"]
    assert found["baselines"]["untrained"] == found["questions"]
    text = "\n".join(to_markdown(report))
    assert f"{report.text.loss:.4f}" in text
    assert questions[0].text in text
    assert "Wrong:" in text
