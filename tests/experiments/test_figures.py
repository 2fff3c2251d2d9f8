import itertools
import re
import struct
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.errors import WriteError
from nanochat.experiments.ablate import AblationConfig, run_ablation
from nanochat.experiments.comparisons import compare
from nanochat.experiments.figures import compare_curves, loss_curve, save_figure, spread
from nanochat.experiments.study_figures import costs, forest, study_curves
from nanochat.training.record import read_run
from nanochat.training.run import run_training


@pytest.fixture(scope="module")
def run(tiny_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    run_training(tiny_run, out=folder)
    return read_run(folder)


@pytest.fixture(scope="module")
def study(tiny_study, tmp_path_factory):
    return run_ablation(tiny_study, tmp_path_factory.mktemp("study"))


def png_size(path):
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", head[16:24])


def test_the_same_data_give_the_same_bytes(run, study, tmp_path):
    for name, draw in {"run": lambda: loss_curve(run), "study": lambda: study_curves(study)}.items():
        for take in "ab":
            save_figure(draw(), tmp_path / f"{name}-{take}.png")
        assert (tmp_path / f"{name}-a.png").read_bytes() == (tmp_path / f"{name}-b.png").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run-a.png", "run-b.png", "study-a.png", "study-b.png"]


def test_figures_are_wide_enough_to_read(study, tmp_path):
    save_figure(forest(study), tmp_path / "forest.png")
    assert png_size(tmp_path / "forest.png")[0] == 1200


def test_axes_have_units_and_the_title_says_the_finding(run, study):
    for figure in (loss_curve(run), compare_curves([run, run]), study_curves(study)):
        assert figure.axes[0].get_xlabel() == "step"
        assert "loss (nats per token)" in figure.axes[0].get_ylabel()
        assert re.search("nats|too few seeds", figure.get_suptitle())


def test_every_variant_is_named_in_every_figure(study):
    curves = {text.get_text() for text in study_curves(study).axes[0].texts}
    rows = {label.get_text() for label in forest(study).axes[0].get_yticklabels()}
    points = {text.get_text() for text in costs(study).legends[0].texts}
    assert curves == points == {study.config.baseline} | rows == set(study.config.variants)


def test_the_dots_are_the_differences_of_the_records(study):
    drawn = [float(x) for dots in forest(study).axes[0].collections for x in dots.get_offsets()[:, 0]]
    assert sorted(drawn) == sorted(x for one in compare(study) for x in one.differences)


def test_a_diverged_variant_is_named_as_such(diverging_study, tmp_path):
    study = run_ablation(diverging_study, tmp_path)
    assert "lr=1e+300 (2 of 2 diverged)" in {text.get_text() for text in study_curves(study).axes[0].texts}
    assert [label.get_text() for label in forest(study).axes[0].get_yticklabels()] == []


def test_of_many_variants_the_best_and_the_baseline_are_drawn(study_of):
    figure = study_curves(study_of([9.0], *([1.0 + i / 100] for i in range(15))))
    drawn = [text.get_text() for text in figure.axes[0].texts]
    assert len(drawn) == 10
    assert {"lr=1.0", "lr=2.0", "lr=10.0"} <= set(drawn)


@pytest.mark.parametrize("lr", [1e4, 1e40])
def test_a_loss_that_exploded_takes_a_logarithmic_axis_and_leaves_the_others_legible(tiny_run, tmp_path, lr):
    unguarded = replace(tiny_run.training, max_loss=0.0, max_gradient=0.0, max_weight=0.0)
    base = replace(tiny_run, training=unguarded)
    study = run_ablation(AblationConfig(base=base, axes={"training.lr": (0.03, lr)}, seeds=1), tmp_path)
    figure = study_curves(study)
    save_figure(figure, tmp_path / "curves.png")
    save_figure(forest(study), tmp_path / "forest.png")
    assert figure.axes[0].get_yscale() == "log"
    assert figure.axes[0].get_ylim()[1] < 1e3


def test_a_study_without_a_result_and_a_run_without_a_step_can_be_drawn(tiny_study, run, tmp_path):
    study = run_ablation(tiny_study, tmp_path, should_stop=lambda: True)
    empty = replace(run, metrics=[], record=None)
    for figure in (study_curves(study), forest(study), costs(study), loss_curve(empty), compare_curves([empty])):
        save_figure(figure, tmp_path / "empty.png")


def test_a_folder_in_the_place_of_the_file_is_a_write_error(run, tmp_path):
    (tmp_path / "loss.png").mkdir()
    with pytest.raises(WriteError, match=r"loss\.png"):
        save_figure(loss_curve(run), tmp_path / "loss.png")
    assert [path.name for path in tmp_path.iterdir()] == ["loss.png"]


@given(st.lists(st.floats(0, 1), max_size=30).map(sorted))
def test_labels_are_spread_apart_in_their_order_and_stay_inside(heights):
    placed, gap = spread(heights, 0.06), min(0.06, 1 / max(1, len(heights) - 1))
    assert all(b - a >= gap - 1e-9 for a, b in itertools.pairwise(placed))
    assert all(-1e-9 <= height <= 1 + 1e-9 for height in placed)


def test_labels_that_do_not_touch_stay_where_they_are():
    assert spread([0.1, 0.5, 0.9], 0.06) == pytest.approx([0.1, 0.5, 0.9])


def test_matplotlib_is_loaded_when_a_figure_is_drawn_and_not_before():
    code = "import sys, nanochat.experiments.report; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-P", "-c", code], check=False).returncode == 0
