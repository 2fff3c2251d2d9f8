import itertools
import math
import re
import struct
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axis import Tick
from matplotlib.collections import PathCollection
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from nanochat.errors import WriteError
from nanochat.experiments.ablation.cells import Validation
from nanochat.experiments.ablation.study import read_study
from nanochat.experiments.ablation.sweep import AblationConfig, run_ablation
from nanochat.experiments.analysis.comparisons import Reach
from nanochat.experiments.analysis.findings import analyse
from nanochat.experiments.reports.figures import COLORS, compare_curves, folded, loss_curve, save_figure, spread, stroke
from nanochat.experiments.reports.sentences import interval_of
from nanochat.experiments.reports.study.course import course_figure, course_text, courses
from nanochat.experiments.reports.study.figures import costs, costs_text, curves_text, study_curves
from nanochat.experiments.reports.study.forest import forest, forest_text
from nanochat.plain import shown_path
from nanochat.training.folder.record import read_run
from nanochat.training.run import run_training

pytestmark = pytest.mark.figures

BASE = [2.00, 2.03, 1.98, 2.05, 2.01, 1.97, 2.02, 2.04]


@pytest.fixture(scope="module")
def run(tiny_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    run_training(tiny_run, out=folder)
    return read_run(folder)


@pytest.fixture(scope="module")
def study(swept):
    return read_study(swept)


def words_of(figure):
    """What is written inside the axes, a variant's folded name in one line."""
    return {text.get_text().replace("\n", " ") for text in figure.axes[0].texts}


def png_size(path):
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", head[16:24])


def test_the_same_data_give_the_same_bytes(run, study, tmp_path):
    for name, draw in {"run": lambda: loss_curve(run), "study": lambda: study_curves(analyse(study))}.items():
        for kind in ("png", "svg"):
            for take in "ab":
                save_figure(draw(), tmp_path / f"{name}-{take}.{kind}")
            assert (tmp_path / f"{name}-a.{kind}").read_bytes() == (tmp_path / f"{name}-b.{kind}").read_bytes()
    assert len(list(tmp_path.iterdir())) == 8
    head = (tmp_path / "study-a.svg").read_text(encoding="utf-8")
    assert head.startswith("<?xml")
    assert "<dc:date>" not in head


def test_figures_are_wide_enough_to_read(study, tmp_path):
    save_figure(forest(analyse(study)), tmp_path / "forest.png")
    assert png_size(tmp_path / "forest.png")[0] == 1200


def test_axes_have_units_and_the_title_says_the_finding(run, study):
    for figure in (loss_curve(run), compare_curves([run, run]), study_curves(analyse(study))):
        assert figure.axes[0].get_xlabel() == "step"
        assert "loss (nats per token)" in figure.axes[0].get_ylabel()
        assert re.search("nats|too few seeds", figure.get_suptitle())


def test_every_variant_is_named_in_every_figure(study):
    found = analyse(study)
    curves, rows, names = words_of(study_curves(found)), words_of(forest(found)), costs(found).axes[-1].get_legend()
    assert curves == {text.get_text() for text in names.get_texts()} == set(study.config.variants)
    assert set(study.config.variants) - {study.config.baseline} <= rows


def test_the_dots_are_the_differences_of_the_records(study):
    found = forest(analyse(study)).axes[0].findobj(PathCollection)
    drawn = [float(x) for dots in found for x in dots.get_offsets()[:, 0]]
    assert sorted(drawn) == sorted(x for one in analyse(study).comparisons for x in one.differences)


def test_a_diverged_variant_is_named_as_such(diverging_study, tmp_path):
    study = run_ablation(diverging_study, tmp_path)
    assert "lr=1e+300 (2 of 2 diverged)" in words_of(study_curves(analyse(study)))
    assert words_of(forest(analyse(study))) == set()


def test_of_many_variants_the_best_and_the_baseline_are_drawn_and_told(study_of):
    study = study_of([9.0], *([1.0 + i / 100] for i in range(15)))
    figure = study_curves(analyse(study))
    assert words_of(figure) == {"lr=1.0", *(f"lr={i}.0" for i in range(2, 11))}
    assert figure.get_supxlabel().endswith("; the best 9 of 16 variants and the baseline")
    for text in (curves_text(analyse(study)), costs_text(analyse(study))):
        assert ", the best 9 of 16 variants and the baseline" in text
        assert "lr=10.0 " in text
        assert "lr=11.0 " not in text
    text = costs_text(analyse(study_of(*([1.0 + i / 100] for i in range(16)))))
    assert "the best 10 of 16 variants;" in text.replace(":", ";")


def test_each_variant_is_a_dot_within_the_axes_and_none_hides_another(study):
    """Two of the four have one size: they stand beside each other. Pixels."""
    figure = costs(analyse(study))
    figure.draw_without_rendering()
    for axes in figure.axes[:-1]:
        dots = [line for line in axes.lines if line.get_label() in study.config.variants]
        places = [line.get_transform().transform(line.get_xydata())[0] for line in dots]
        assert len(places) == 4
        assert all(axes.bbox.contains(*place) for place in places)
        assert axes is figure.axes[1] or all(math.dist(a, b) > 8 for a, b in itertools.combinations(places, 2))


@pytest.mark.parametrize("shade", COLORS)
def test_a_thin_line_of_every_color_is_seen_on_white(shade):
    """WCAG 2.2 asks a contrast of 3 of graphics: (1 + 0.05) / (relative luminance + 0.05)."""
    parts = [int(shade[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.03928 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    assert 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05) > 3.8


def test_lines_are_told_apart_without_color():
    strokes = [(str(stroke(i)["linestyle"]), stroke(i)["color"]) for i in range(2 * len(COLORS))]
    assert len(set(strokes)) == len(strokes)
    assert len({dashes for dashes, _ in strokes[: len(COLORS)]}) == len(COLORS)


def run_with(run, losses, validations):
    """The run with these losses of steps 1, 2, ... and {step: loss} of validations."""
    metrics = [{"step": i + 1, "loss": loss} for i, loss in enumerate(losses)]
    return replace(run, metrics=metrics + [{"step": step, "val_loss": loss} for step, loss in validations.items()])


def test_a_run_that_memorised_is_drawn_whole(run):
    """16 nats to 0.0007: it has learned ten thousandfold, and nothing has exploded."""
    losses = [16.0 * 0.9 ** min(i, 95) for i in range(300)]
    axes = loss_curve(run_with(run, losses, {0: 16.4, 300: 0.42})).axes[0]
    low, high = axes.get_ylim()
    assert axes.get_yscale() == "log"
    assert low < min(losses) < 16.4 < high


def test_a_mean_of_steps_stands_in_their_middle(run):
    losses = [1.0 if i < 100 else 0.0 for i in range(200)]
    lines = {line.get_label(): line for line in loss_curve(run_with(run, losses, {})).axes[0].lines}
    smooth = lines["training, mean of 10 steps"]
    half = smooth.get_xdata()[abs(smooth.get_ydata() - 0.5).argmin()]
    assert abs(half - 100.5) <= 1


def test_curves_begin_where_they_can_be_told_apart(study_of):
    study = study_of([2.00], [2.01])
    ends = {result.cell.variant: result.record.val_loss for result in study.results}
    results = tuple(
        replace(one, validations=tuple(Validation(i, ends[one.cell.variant] + 5 / (1 + 100 * i)) for i in range(7)))
        for one in study.results
    )
    figure = study_curves(analyse(replace(study, results=results)))
    assert figure.axes[0].get_ylim()[1] < 2.2
    assert "from a tenth of the steps on" in figure.get_supxlabel()


def test_the_course_is_the_paired_difference_at_each_validation(study_of):
    study = study_of([2.0, 2.1, 2.2], [2.5, 2.7, 2.6])
    results = tuple(
        replace(one, validations=tuple(Validation(step, one.record.val_loss + 1 / (1 + step)) for step in (0, 2, 4)))
        for one in study.results
    )
    found = analyse(replace(study, results=results))
    course = courses(found)["lr=2.0"]
    assert list(course) == [2, 4]
    assert course[4].mean == pytest.approx(0.5)
    assert course[4].half_width == pytest.approx(found.comparisons[0].t_interval.half_width)
    assert "lr=2.0 +0.5000 at step 2 and +0.5000 at step 4" in course_text(found)
    line = next(
        line
        for line in course_figure(found).axes[0].lines
        if len(line.get_xdata()) == 2 and line.get_marker() != "None"
    )
    assert list(line.get_ydata()) == pytest.approx([0.5, 0.5])


def test_every_interval_of_a_forest_has_ends_however_narrow(study_of):
    """Beside a variant that is 5 nats off, an interval of 2e-6 is narrower than any line."""
    study = study_of(BASE, [x + 1 + 1e-6 * i for i, x in enumerate(BASE)], [x + 5 for x in BASE[::-1]])
    figure = forest(analyse(study))
    ends = [line for line in figure.axes[0].lines if line.get_marker() == "|"]
    assert [len(line.get_xdata()) for line in ends] == [2, 2]


def test_a_name_in_a_forest_does_not_meet_the_line_at_zero(study_of):
    axes = forest(analyse(study_of(BASE, [x + 1 for x in BASE], [x - 1 for x in BASE]))).axes[0]
    zero = [line.get_ydata() for line in axes.lines if list(line.get_xdata()) == [0, 0]]
    names = [text.get_position()[1] for text in axes.texts if text.get_text().startswith("lr")]
    assert len(zero) == len(names) == 2
    assert not any(min(ys) <= y <= max(ys) for y in names for ys in zero)


def test_what_all_variants_take_alike_is_no_axis(study_of):
    assert costs(analyse(study_of([2.0], [2.1]))) is None


def test_a_forest_of_many_shows_the_lowest_and_says_so(study_of):
    study = study_of([1.0], *([1.0 + i / 100] for i in range(1, 43)))
    figure = forest(analyse(study))
    assert {f"lr={i}.0" for i in range(2, 42)} == {word for word in words_of(figure) if word.startswith("lr")}
    assert "the 40 lowest of 42" in figure.get_supxlabel()
    assert ", the 40 lowest of 42: lr=2.0" in forest_text(analyse(study))


def test_alternative_text_says_which_variants_have_no_curve_or_no_difference(study_of):
    study = study_of((2.0, 2.1), (1.0, math.nan), (math.nan, math.nan))
    bare = study.results[:4] + tuple(replace(result, validations=()) for result in study.results[4:])
    found = analyse(replace(study, results=bare))
    drawn = f"{study.results[0].validations[-1].loss:.4f}"  # every run here has the curve of one
    ends = f"At the last validation: lr=1.0 {drawn}, lr=2.0 (1 of 2 diverged) {drawn}. Without a curve: lr=3.0."
    assert ends in curves_text(found)
    assert "Not drawn: lr=3.0, too few seeds (needs 6 seeds; 0 of 2 pairs; 2 of 2 diverged; " in forest_text(found)
    assert "lr=2.0" not in costs_text(found)


def test_intervals_are_drawn_whole_where_they_leave_room_for_the_rest(study_of):
    study = study_of(BASE, [x + 0.3 + 0.01 * i for i, x in enumerate(BASE)], [x - 0.1 for x in BASE])
    axes, found = forest(analyse(study)).axes[0], analyse(study).comparisons
    low, high = axes.get_xlim()
    assert all(low < one.interval.low and one.interval.high < high for one in found)
    assert "arrow" not in forest(analyse(study)).get_supxlabel()


def test_an_interval_that_would_squash_the_rest_ends_in_an_arrow_with_its_numbers(study_of):
    found = analyse(study_of(BASE[:2], [2.1, 2.3], [2.0, 2.035]))
    one = replace(found.comparisons[0], interval=Reach(found.comparisons[0].interval.mean, -2.0, 3.0))
    figure = forest(replace(found, comparisons=(one, found.comparisons[1])))
    low, high = figure.axes[0].get_xlim()
    assert one.interval.low < low
    assert high < one.interval.high
    arrows = {line.get_marker(): line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() in "<>"}
    assert arrows == {"<": low, ">": high}
    assert interval_of(one).replace("-", "\N{MINUS SIGN}") in " ".join(words_of(figure))
    assert "arrow: the interval goes on" in figure.get_supxlabel().replace("\n", " ")


def test_a_long_name_takes_two_lines_between_settings():
    assert folded("norm=rms") == "norm=rms"
    assert folded("lr=0.03_weight_decay=0.01_batch_size=1") == "lr=0.03_weight_decay=0.01_\nbatch_size=1"
    assert folded("untied_no_input_rmsnorm (2 of 2 diverged)") == "untied_no_input_rmsnorm\n(2 of 2 diverged)"


def test_nothing_is_cut_off_or_written_over_another(tiny_run, tmp_path):
    """Three axes: twelve names of 37 letters, most at the same height. Ticks aside, of which some lie out of sight."""
    axes = {"training.lr": (0.03, 0.1), "training.weight_decay": (0.01, 0.1), "training.batch_size": (1, 2, 3)}
    base = replace(tiny_run, training=replace(tiny_run.training, steps=1))
    study = run_ablation(AblationConfig(base=base, axes=axes, seeds=2), tmp_path)
    for draw in (study_curves, forest, costs):
        figure = draw(analyse(study))
        figure.draw_without_rendering()
        ticks = {text for tick in figure.findobj(Tick) for text in tick.findobj(Text)}
        texts = [text for text in figure.findobj(Text) if text.get_text() and text not in ticks]
        boxes = {text.get_text(): text.get_window_extent().padded(-3) for text in texts}
        width, height = figure.bbox.width, figure.bbox.height
        assert all(box.x0 > 0 and box.x1 < width and box.y0 > 0 and box.y1 < height for box in boxes.values())
        pairs = itertools.combinations(boxes, 2)
        assert [(a, b) for a, b in pairs if Bbox.intersection(boxes[a], boxes[b]) is not None] == []


@pytest.mark.parametrize("lr", [1e4, 1e40])
def test_a_loss_that_exploded_takes_a_logarithmic_axis_and_leaves_the_others_legible(tiny_run, tmp_path, lr):
    unguarded = replace(tiny_run.training, max_loss=0.0, max_gradient=0.0, max_weight=0.0)
    base = replace(tiny_run, training=unguarded)
    study = run_ablation(AblationConfig(base=base, axes={"training.lr": (0.03, lr)}, seeds=1), tmp_path)
    figure = study_curves(analyse(study))
    save_figure(figure, tmp_path / "curves.png")
    save_figure(forest(analyse(study)), tmp_path / "forest.png")
    assert figure.axes[0].get_yscale() == "log"
    assert figure.axes[0].get_ylim()[1] < 1e3


def test_a_study_without_a_result_and_a_run_without_a_step_can_be_drawn(tiny_study, run, tmp_path):
    study = run_ablation(tiny_study, tmp_path, should_stop=lambda: True)
    empty, found = replace(run, metrics=[], record=None), analyse(study)
    assert costs(found) is course_figure(found) is None
    for figure in (study_curves(found), forest(found), loss_curve(empty), compare_curves([empty])):
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
    code = "import sys, nanochat.experiments.reports.run; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-P", "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "name", ["a$x^{$b", "$lr$", "p$\\frac{$", "日本", "שלום", "W" * 250, "x \x1b]0;y\x07 \u202e", "a\udcff"]
)
def test_any_name_is_drawn_as_it_is_written_and_leaves_room_for_the_curves(run, tmp_path, name):
    figure = compare_curves([replace(run, path=tmp_path / name), run])
    texts = [text for text in figure.findobj(Text) if text.get_text()]
    drawn = [text._preprocess_math(text.get_text()) for text in texts]
    assert not [text for text, is_mathematics in drawn if is_mathematics and "mathdefault" not in text]
    assert any(shown_path(name)[:20] in text for text, _ in drawn)
    save_figure(figure, tmp_path / "figure.png")  # a warning is an error here
    assert figure.axes[0].get_position().width > 0.05
