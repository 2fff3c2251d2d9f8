"""The graders graded: no right answer is refused, every known wrong one is, by its own name. full.py: more seeds."""

import pytest
from grading import KEYS, MUST, misread, one_seed_a_variant, refused, starters_not_seen_as_empty, tried

from nanochat.course.lessons import LESSONS, find_exercise
from nanochat.course.source import obstacle

WRONG = [(key, wrong.name) for key in KEYS for wrong in find_exercise(key).wrong]


@pytest.mark.parametrize("key", KEYS)
def test_no_right_answer_is_refused(key):
    assert list(refused(key, one_seed_a_variant(key))) == []


@pytest.mark.parametrize(("key", "name"), WRONG)
def test_a_known_wrong_answer_is_refused_by_its_own_name(key, name):
    assert list(misread(key, name, tried(key, name, 2))) == []


@pytest.mark.parametrize("key", KEYS)
def test_starters_are_seen_as_empty(key):
    assert starters_not_seen_as_empty(key) == []


@pytest.mark.parametrize("key", KEYS)
def test_an_exercise_is_whole(key):
    exercise = find_exercise(key)
    names = [law.name for law in exercise.laws]
    assert len(exercise.right) >= 2
    assert len({wrong.name for wrong in exercise.wrong}) == len(exercise.wrong)
    for i, law in enumerate(exercise.laws):
        assert set(law.needs) <= set(names[:i]), f"{law.name} waits for a law that comes later"
    for text in map(exercise.starter, exercise.variants.values()):
        assert f"nanochat learn check {key}" in text


@pytest.mark.parametrize("key", MUST)
def test_a_must_knows_eight_mistakes_and_has_eight_variants(key):
    exercise = find_exercise(key)
    assert len({wrong.sentence for wrong in exercise.wrong}) >= 8
    assert 8 <= len(exercise.variants) <= 12


@pytest.mark.parametrize("key", KEYS)
def test_a_starter_imports_only_what_it_may(key):
    exercise = find_exercise(key)
    for v in exercise.variants.values():
        text = exercise.starter(v)
        assert "imports" not in obstacle(exercise, text, text)


def test_lessons_need_earlier_ones_only():
    words = [lesson.word for lesson in LESSONS]
    for i, lesson in enumerate(LESSONS):
        assert set(lesson.needs) <= set(words[:i])
    assert [lesson.number for lesson in LESSONS] == sorted({lesson.number for lesson in LESSONS})
