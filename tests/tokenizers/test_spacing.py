"""Words back to prose: the habits of printed English, and text that survives being cut and joined."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.tokenizers.spacing import spaced
from nanochat.tokenizers.word import WordTokenizer

SENTENCES = [
    "The sun rises in the east, and sets in the west.",
    "Don't go! It's what they'd call 'a bad day', isn't it?",
    'She said: "I won\'t." Then (after a while) she left...',
    "Pi is 3.14, a million 1,000,000; the train leaves at 10:30.",
    "A well-known state-of-the-art test costs $5.50 or 20% more.",
    "The dogs' tails wagged, and O'Brien laughed.",
    "“Quoted”, she wrote, ‘as printed’; it’s the poets’ way.",
    "He said 'yes' and 'no'.",
    "L’été n’est pas fini, aujourd’hui non plus!",
    "¿Qué pasa? ¡Nada!",
    "Read [1], {2} and/or 3; see #7—or don’t, 1990–2000.",
    "你好，世界。再见！",
    "User: What causes rain? Assistant: Rain is caused by water vapor. </s>",
    "snake_case and either/or",
]
MARKS = [*".,;:!?%()[]{}\"'’‘“”-–—/_#@$€*+=<>|~^`&\\…。、«»¿", *"</s> word s dogs a 3 14 \ufffd".split()]


@pytest.mark.parametrize("sentence", SENTENCES)
def test_ordinary_prose_comes_back_as_it_was(sentence):
    tokenizer = WordTokenizer.train(sentence, special_tokens=["</s>"])
    assert tokenizer.decode(tokenizer.encode(sentence)) == sentence


@given(st.lists(st.sampled_from(MARKS), max_size=30))
def test_spacing_adds_spaces_and_nothing_else(tokens):
    assert "".join(spaced(tokens)).replace(" ", "") == "".join(tokens)


@given(st.lists(st.sampled_from(MARKS), max_size=30), st.data())
def test_spacing_of_the_beginning_does_not_depend_on_the_end(tokens, data):
    n = data.draw(st.integers(0, len(tokens)))
    whole = list(spaced(tokens))
    beginning = list(spaced(tokens[:n]))
    certain = n - 1 if n and tokens[n - 1] in "'’" else n  # an apostrophe waits for what follows
    assert beginning[:certain] == whole[:certain]


def test_a_word_is_shown_before_the_next_is_known():
    came = []

    def tokens():
        for token in ["Yes", ",", "I", "don", "'", "t"]:
            came.append(token)
            yield token

    page = spaced(tokens())
    assert [next(page), len(came)] == ["Yes", 1]
    assert [next(page), len(came)] == [",", 2]
    assert [next(page), next(page), next(page), len(came)] == [" I", " don", "'", 6]
