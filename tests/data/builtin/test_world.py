"""The world of facts: consistent, told and asked as it says, and split so that nothing leaks."""

import re
from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.data.builtin.world import build_world, is_right, matches, normalise
from nanochat.data.builtin.world.tables import Fact, read_relations, render
from nanochat.data.chat import ChatTemplate
from nanochat.data.load import load_corpus
from nanochat.errors import ConfigError
from nanochat.tokenizers import WordTokenizer

SIZES = ["small", "medium", "large"]
MOST_FACTS = {"small": (60, 80), "medium": (400, 600), "large": (1000, 2000)}


@pytest.fixture(scope="module", params=SIZES)
def world(request):
    return build_world(request.param)


@pytest.fixture(scope="module")
def large():
    return build_world("large")


def words(text):
    return re.findall(r"\w+|[^\w\s]", text)


def test_a_size_has_the_facts_it_promises(world):
    least, most = MOST_FACTS[world.size]
    assert least <= len(world.facts) <= most


def test_a_larger_world_holds_the_smaller():
    small, medium, large = (set(build_world(size).facts) for size in SIZES)
    assert small < medium < large


def test_no_relation_says_two_things_of_a_subject(large):
    subjects = [(fact.relation, fact.subject.casefold()) for fact in large.facts]
    assert [pair for pair, n in Counter(subjects).items() if n > 1] == []


def test_relations_are_named_once():
    names = [relation.name for relation in read_relations()]
    assert len(set(names)) == len(names)


def test_each_relation_is_told_and_asked_in_many_ways():
    for relation in read_relations():
        for templates, least in ((relation.statements, 6), (relation.taught, 8), (relation.held_out, 2)):
            assert len(set(templates)) == len(templates) >= least, relation.name


def test_statements_name_subject_and_answer_and_questions_the_subject_alone():
    for relation in read_relations():
        for template in relation.statements:
            assert len(re.findall(r"{(?:[aA] )?subject}", template)) == 1, template
            assert len(re.findall(r"{(?:[aA] )?answer}", template)) == 1, template
        for template in relation.taught + relation.held_out:
            assert re.findall(r"{(?:[aA] )?(\w+)}", template) == ["subject"], template


def test_questions_and_statements_end_as_sentences(large):
    assert {text[-1] for text in large.statements} == {"."}
    assert {question.text[-1] for question in large.questions} == {".", "?"}


def test_answers_have_one_to_three_words(large):
    assert [fact for fact in large.facts if not 1 <= len(fact.answer.split()) <= 3] == []


def test_the_first_accepted_answer_is_the_answer_and_each_stands_once(large):
    for fact in large.facts:
        assert fact.accepted[0] == fact.answer
        assert len({normalise(answer) for answer in fact.accepted}) == len(fact.accepted), fact


def test_no_answer_is_right_for_a_third_of_a_relation(world):
    for relation in world.relations:
        n_same = Counter(fact.answer for fact in relation.facts).most_common(1)[0][1]
        assert n_same <= 0.3 * len(relation.facts), relation.name


def test_every_fact_is_told_in_every_statement_with_its_answer(world):
    told = iter(world.statements)
    for relation in world.relations:
        for fact in relation.facts:
            for _ in relation.statements:
                sentence = next(told).casefold()
                assert fact.answer.casefold() in sentence
                assert fact.subject.casefold() in sentence
    assert next(told, None) is None


def test_no_question_holds_its_answer(large):
    for question in large.questions:
        asked = f" {' '.join(words(question.text.casefold()))} "
        for answer in question.accepted:
            assert f" {' '.join(words(normalise(answer)))} " not in asked, question
        assert len(question.answer) < 4 or normalise(question.answer) not in asked, question


def test_no_question_has_two_answers(large):
    answers = defaultdict(set)
    for question in large.questions:
        answers[question.text].add(question.answer)
    assert {text: right for text, right in answers.items() if len(right) > 1} == {}


def turns_of(conversations):
    """What was asked and answered, conversation after conversation."""
    assert {m.role for one in conversations for m in one[::2]} == {"user"}
    assert {m.role for one in conversations for m in one[1::2]} == {"assistant"}
    return [(one[i].content, one[i + 1].content) for one in conversations for i in range(0, len(one), 2)]


def test_tuning_asks_each_taught_fact_once_in_each_taught_question_and_nothing_else(world):
    wanted = [
        (question.text, question.answer)
        for question in world.questions
        if question.taught_fact and question.taught_phrasing
    ]
    assert Counter(turns_of(world.taught)) == Counter(wanted)


def test_no_tuning_asks_a_held_out_fact_or_in_a_held_out_phrasing(world):
    asked = {user for user, _ in turns_of(world.taught + world.rehearsed)}
    for question in world.questions:
        if not (question.taught_fact and question.taught_phrasing):
            assert question.text not in asked


def test_conversations_have_one_to_four_turns_about_as_many_of_each(world):
    for conversations in (world.taught, world.rehearsed):
        lengths = Counter(len(one) // 2 for one in conversations)
        assert set(lengths) == {1, 2, 3, 4}
        assert min(lengths.values()) > 0.15 * len(conversations)


def test_a_conversation_speaks_of_many_things():
    """Shuffled: what is asked at a later turn does not follow from what was asked before."""
    world = build_world("medium")
    relation = {question.text: question.relation for question in world.questions}
    neighbours = [(one[i], one[i + 2]) for one in world.taught for i in range(0, len(one) - 2, 2)]
    n_same = sum(relation[before.content] == relation[after.content] for before, after in neighbours)
    assert n_same < 0.2 * len(neighbours)


def test_the_longest_conversation_fits_in_128_words_and_marks(large):
    tokenizer = WordTokenizer.train(
        [message.content for one in large.rehearsed for message in one],
        special_tokens=ChatTemplate().special_tokens,
    )
    assert max(1 + len(ChatTemplate().encode(tokenizer, one)[0]) for one in large.rehearsed) <= 128


def test_all_four_kinds_of_question_are_there(world):
    kinds = {(q.relation, q.taught_fact, q.taught_phrasing) for q in world.questions}
    assert len(kinds) == 4 * len(world.relations)


def test_one_fact_in_eight_of_each_relation_is_held_out(world):
    for relation in world.relations:
        n_held = sum(fact in world.held_out for fact in relation.facts)
        assert abs(n_held - len(relation.facts) / 8) <= 0.5, relation.name
    assert 0.1 <= len(world.held_out) / len(world.facts) <= 0.15


def test_held_out_questions_are_asked_in_words_that_were_read(world):
    read = {word for text in world.statements for word in words(text)}
    read |= {word for asked, _ in turns_of(world.taught) for word in words(asked)}
    asked = {word for question in world.questions for word in words(question.text)}
    assert asked - read == set()


def test_nothing_begins_with_a_noun_that_is_written_small_elsewhere(large):
    """To a tokenizer of words "Gold" and "gold" are strangers."""
    for relation in large.relations:
        for template in relation.statements + relation.taught + relation.held_out:
            first = re.match(r"{(subject|answer)}", template)
            starts = {getattr(fact, first[1]) for fact in relation.facts} if first else set()
            assert [noun for noun in starts if noun[0].islower() and not noun.startswith("the ")] == [], template


def test_words_as_tokens_give_every_answer_back(large):
    answers = sorted({fact.answer for fact in large.facts})
    tokenizer = WordTokenizer.train(answers)
    assert [tokenizer.decode(tokenizer.encode(answer)) for answer in answers] == answers


def test_the_same_seed_builds_the_same_world_and_another_holds_out_others():
    world, again, other = build_world("medium", 5), build_world("medium", 5), build_world("medium", 6)
    for name in ("facts", "held_out", "questions", "taught", "rehearsed"):
        assert getattr(world, name) == getattr(again, name)
    assert other.statements == world.statements
    assert other.held_out != world.held_out


def test_the_default_seed_holds_out_the_same_facts_on_every_machine():
    held_out = {fact.subject for fact in build_world("small").held_out}
    assert held_out == set("Australia Portugal Uranus aluminium long neon owl rich sheep".split())


@pytest.mark.parametrize(("size", "seed"), [("huge", 1), ("small", -1)])
def test_an_unknown_size_or_a_negative_seed_is_refused(size, seed):
    with pytest.raises(ConfigError, match="choose"):
        build_world(size, seed)


@pytest.mark.parametrize(
    ("noun", "phrase"),
    [
        ("owl", "An owl."),
        ("cat", "A cat."),
        ("ewe", "A ewe."),
        ("ukulele", "A ukulele."),
        ("euphonium", "A euphonium."),
    ],
)
def test_articles_are_those_of_speech(noun, phrase):
    assert render("{A subject}.", Fact("", noun, "", ("",))) == phrase


@pytest.mark.parametrize("answer", ["Calf", " calf ", "a calf.", "The calf!", "CALF"])
def test_case_article_end_and_space_make_no_difference(answer):
    assert matches(answer, ["calf"])


@pytest.mark.parametrize("answer", ["", "calves", "a calf or a foal", "the young calf", "cal f", "."])
def test_anything_else_does(answer):
    assert not matches(answer, ["calf"])


def test_an_article_alone_is_an_answer():
    assert normalise("A") == "a"
    assert not matches("a", ["an"])


@given(st.text())
def test_normalising_twice_changes_nothing_more_than_articles(text):
    once = normalise(text)
    assert once == " ".join(once.split()) == once.casefold()
    assert not once.endswith((".", "!", "?"))


def test_every_accepted_answer_is_right_and_an_answer_to_something_else_is_not(large):
    for question in large.questions[::16]:
        assert all(is_right(question, answer) for answer in question.accepted)
        assert not is_right(question, question.subject)


@pytest.mark.parametrize("suffix", ["-small", "", pytest.param("-large", marks=pytest.mark.slow)])
def test_the_world_is_built_in_as_documents_and_as_chat(suffix):
    world = build_world({"-small": "small", "": "medium", "-large": "large"}[suffix])
    corpora = [load_corpus(f"builtin:world{kind}{suffix}") for kind in ("", "-chat", "-rehearsal")]
    assert [corpus.layout for corpus in corpora] == ["documents", "chat", "chat"]
    assert [corpus.documents for corpus in corpora] == [world.statements, world.taught, world.rehearsed]


def test_rehearsal_tells_every_statement_once_among_the_questions_and_asks_for_none(world):
    told = Counter(turns_of(world.rehearsed)) - Counter(turns_of(world.taught))
    assert Counter(said for _, said in told.elements()) == Counter(world.statements)
    (request,) = {asked for asked, _ in told}  # the same for all gives nothing away
    read = {word for text in world.statements for word in words(text)}
    read |= {word for asked, _ in turns_of(world.taught) for word in words(asked)}
    assert set(words(request)) <= read
