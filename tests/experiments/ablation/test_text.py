import json
from dataclasses import replace

import numpy as np
import pytest

from nanochat.errors import ConfigError
from nanochat.experiments.ablation.cells import run_cell
from nanochat.experiments.ablation.grid import AblationConfig, Cell
from nanochat.experiments.ablation.study import cell_path, find_result, write_result
from nanochat.experiments.ablation.text import TextLoss, check_blocks, text_loss
from nanochat.training.evaluate import evaluate
from nanochat.training.prepare import prepare
from nanochat.training.resolve import resolve


def whole(config):
    return replace(config, training=replace(config.training, eval_tokens=0))


def test_blocks_of_one_more_token_weigh_one_more():
    assert TextLoss((1.0, 2.0, 4.0), 5, True).loss == pytest.approx((2 * 1 + 2 * 2 + 1 * 4) / 5, rel=1e-15)


def test_the_text_is_read_whole_whatever_the_run_validates_on(tiny_run):
    session = prepare(tiny_run)
    found = text_loss(session, 8)
    session = prepare(whole(tiny_run))
    expected = evaluate(session.model, session.validation(), session.dataset.tokenizer.token_bytes())
    assert found.is_whole
    assert found.n_tokens == expected.n_tokens > tiny_run.training.eval_tokens
    assert found.loss == pytest.approx(expected.loss, rel=1e-12)  # another order of summation
    assert len(found.blocks) == 8


@pytest.mark.parametrize("preset", ["bigram", "mini-gpt"])
def test_both_modes_find_the_same_blocks(tiny_text, preset):
    scalar = resolve({"preset": preset, "mode": "scalar", "data": {"source": str(tiny_text)}})
    tensor = replace(scalar, mode="tensor", dtype="float64")
    found, expected = (text_loss(prepare(config), 4) for config in (scalar, tensor))
    np.testing.assert_allclose(found.blocks, expected.blocks, rtol=1e-12)


def test_a_cell_keeps_its_blocks_and_its_loss_is_as_before(tiny_run, tmp_path):
    cell = Cell("a", tiny_run, 4)
    assert cell.key == Cell("a", tiny_run).key
    result = run_cell(cell)
    assert run_cell(Cell("a", tiny_run, 9)).record.val_loss == result.record.val_loss
    assert len(result.text.blocks) == 4
    assert write_result(result, tmp_path).text == result.text
    assert find_result(cell, tmp_path, print).text == result.text


def test_a_cell_of_an_earlier_version_has_none(tiny_run, tmp_path):
    cell = Cell("a", tiny_run)
    write_result(replace(run_cell(cell), text=None), tmp_path)
    assert "text" not in json.loads(cell_path(cell, tmp_path).read_text(encoding="utf-8"))
    assert find_result(cell, tmp_path, print).text is None


def test_a_cell_that_diverged_has_none(diverging_study):
    assert [run_cell(cell).text is None for cell in diverging_study.cells()] == [False, False, True, True]


def test_more_blocks_than_tokens_are_refused(tiny_run):
    with pytest.raises(ConfigError, match="eval_blocks=10,000 are more than"):
        check_blocks(prepare(tiny_run), 10_000)
    with pytest.raises(ConfigError, match="eval_blocks=1 tell nothing"):
        AblationConfig(base=tiny_run, eval_blocks=1)
