import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from nanochat.experiments.ablation.study import read_study
from nanochat.experiments.analysis.findings import analyse
from nanochat.experiments.ladder.climb import read_climbed
from nanochat.experiments.ladder.report import ladder_answer
from nanochat.experiments.reports import sentences
from nanochat.experiments.reports.names import is_plural, said
from nanochat.experiments.reports.study.report import MARKDOWN
from nanochat.plain import markdown

BASE = [2.00, 2.03, 1.98, 2.05, 2.01, 1.97, 2.02, 2.04]
NOISE = [0.001, -0.001, 0.002, -0.002, 0.0005, -0.0005, 0.003, -0.003]


def headline(study):
    return sentences.headline(analyse(study))


def answer(study, style=MARKDOWN):
    return sentences.answer(analyse(study), style)


def moved(by):
    return [loss + by + noise for loss, noise in zip(BASE, NOISE, strict=True)]


def test_a_variant_that_beats_the_baseline_is_said_to(study_of):
    study = study_of(BASE, moved(-0.5), moved(0.5))
    assert headline(study) == "Rate 2: better than rate 1 by 0.5 nats"
    assert answer(study) == (
        "Rate 2 ends lowest, and every other variant is shown to be worse. "
        "Against the baseline (rate 1) rate 2 is **better** by 0.5 nats; rate 3 is **worse** by 0.5 nats."
    )


def test_an_answer_is_plain_words_and_a_document_says_how_names_and_verdicts_look(study_of):
    found = analyse(study_of(BASE, moved(-0.5)))
    best, one = replace(found.ranking[0], name="a`*b"), replace(found.comparisons[0], variant="a`*b")
    renamed = replace(found, ranking=(best, found.ranking[1]), comparisons=(one,), best=("a`*b",))
    plain, marked = sentences.answer(renamed), sentences.answer(renamed, MARKDOWN)
    assert plain.startswith("A`*b ends lowest")
    assert "a`*b is better by 0.5 nats" in plain
    assert marked.startswith(f"A{markdown('`*b')} ends lowest")
    assert f"{markdown('a`*b')} is **better** by 0.5 nats" in marked


def test_a_baseline_that_nothing_beats(study_of):
    assert headline(study_of(BASE, moved(0.5))) == "Rate 2: worse than rate 1 by 0.5 nats"
    assert headline(study_of(BASE, moved(0.5), moved(0.6))) == "All other variants are worse than rate 1"
    study = study_of(BASE, moved(0.5), moved(0.0))
    assert headline(study) == "No variant is shown to beat rate 1; 1 of 2 are shown to be worse"
    assert answer(study).startswith(
        "Rate 1 ends lowest, not to be told apart from rate 3. Against the baseline (rate 1)"
    )
    assert "rate 2 is **worse** by 0.5 nats; rate 3 is **no different**." in answer(study)


def test_a_lead_that_may_be_chance_is_not_called_better(study_of):
    study = study_of(BASE[:3], moved(-0.5)[:3])
    assert headline(study) == "Rate 2: lowest, but not shown to beat rate 1: too few seeds (needs 6 seeds)"
    few = "Rate 2 ends lowest, but **too few seeds** to say more: the exact test needs 6 seeds."
    assert answer(study) == few
    assert headline(study_of([2.0], [1.0])).endswith("too few seeds (needs 6 seeds)")


def test_a_baseline_that_ends_lowest_with_too_few_seeds_is_not_said_to_be_unbeaten(study_of):
    text = headline(study_of(BASE[:3], moved(0.5)[:3], moved(0.6)[:3]))
    assert text == "Rate 1: lowest, but no difference is shown: too few seeds (needs 6 seeds)"


def test_what_shows_no_difference_at_all_is_one_sentence_that_claims_none(study_of):
    apart = [loss + noise for loss, noise in zip(BASE, (0.1, -0.1, 0.2, -0.2, 0.05, -0.1, 0.1, -0.1), strict=True)]
    assert answer(study_of(BASE, apart)) == (
        "Rate 2 ends lowest, but no variant is **shown to differ** from the baseline (rate 1)."
    )


def test_a_name_in_the_plural_has_a_verb_in_the_plural():
    assert is_plural("rotary positions")
    assert not is_plural("layer norm + rotary positions")
    assert not is_plural("RMS norm")


def test_axes_that_change_nothing_are_said_to(study_of):
    assert headline(study_of(BASE, BASE)) == "Rate 2: identical to rate 1"
    assert answer(study_of(BASE, BASE)).startswith("Nothing changes: every variant ends, seed by seed, where")


def test_many_variants_are_counted(study_of):
    study = study_of(BASE, *(moved(0.1 * i) for i in range(1, 7)), BASE)
    assert "6 of 7 are **worse** by 0.1 to 0.6 nats; rate 8 is **identical**." in answer(study)


def test_what_diverged_is_worse_and_has_no_number(study_of):
    nan = math.nan
    assert headline(study_of([nan, 2.0], [nan, nan])) == "No variant ended well with every seed"
    assert answer(study_of([nan, 2.0], [nan, nan])).startswith("None")
    text = answer(study_of([2.0] * 6, [1.0] * 6, [nan] * 6))
    assert text.startswith("Rate 2 ends lowest of those that ended well with every seed, and every other")
    assert "rate 3 is **worse** (no pair ended well)" in text


def test_the_lowest_of_the_sound_is_not_called_the_lowest_of_all(study_of):
    study = study_of(BASE, [math.nan, *moved(-0.5)[1:]])
    assert headline(study).startswith("Of those that ended well with every seed: Rate 1: lowest")
    assert answer(study).startswith("Rate 1 ends lowest of those that ended well with every seed, but")
    assert "no variant is **shown to differ** from it" in answer(study)


def test_an_unfinished_study_is_answered_so_far(study_of):
    study = study_of(BASE, moved(-0.5))
    part = replace(study, results=study.results[:15], missing=(study.results[15].cell,))
    assert answer(part).startswith("Rate 2 ends lowest so far (15 of 16 cells). ")


@pytest.mark.parametrize("table", sorted(Path(__file__).parents[3].glob("results/reference/*/ablation.jsonl")))
def test_an_answer_of_a_published_study_is_three_sentences_and_sixty_words_at_most(table):
    text = answer(read_study(table.parent))
    assert len(text.split()) <= 60
    assert len(re.findall(r"\.(?: |$)", text)) <= 3
    assert not re.search(r"\w=|\d\.\d{4}|p = ", text)


@pytest.mark.parametrize("register", sorted(Path(__file__).parents[3].glob("results/reference/*/ladder.json")))
def test_so_is_that_of_a_published_ladder(register):
    text = ladder_answer(read_climbed(register.parent))
    assert len(text.split()) <= 60
    assert len(re.findall(r"\.(?: |$)", text)) <= 3


def test_axes_that_depend_on_each_other_are_said_to():
    folder = Path(__file__).parents[3] / "results" / "reference" / "head-and-norm-mini-gpt"
    assert "The axes depend on each other, most in untied head with input norm" in answer(read_study(folder))


def test_where_variants_are_spelled_out_the_baseline_is_called_that(study_of):
    study = study_of(BASE, moved(0.5))
    spelled = replace(study.config, axes={}, explicit={"fast": {"training.lr": 2.0}})
    cells = dict(zip(study.config.cells(), spelled.cells(), strict=True))
    results = tuple(replace(one, cell=cells[one.cell]) for one in study.results)
    found = replace(study, config=spelled, results=results)
    assert answer(found) == ("The baseline ends lowest. Against the baseline, fast is **worse** by 0.5 nats.")
    assert headline(found) == "Fast: worse than the baseline by 0.5 nats"


def test_settings_are_said_as_people_say_them():
    wanted = {
        ("model.norm", "rms"): "RMS norm",
        ("model.final_norm", False): "no final norm",
        ("training.lr", 0.01): "rate 0.01",
        ("training.weight_decay", 0.1): "weight decay 0.1",
        ("model.n_embd", 64): "width 64",
    }
    assert [said(path, value) for path, value in wanted] == list(wanted.values())
