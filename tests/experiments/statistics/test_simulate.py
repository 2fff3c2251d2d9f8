import pytest
from simulate import SIMULATIONS, Line, main, table

COUNTS = {
    "joint_errors": 30,
    "joint_intervals": 100,
    "joint_report": 150,
    "sequential_errors": 10,
    "sequential_family": 10,
    "sequential_power": 40,
    "tuning_errors": 100,
    "tuning_search": 2,
    "crossed_coverage": 60,
    "ladder_predictions": 60,
    "surface_predictions": 2,
}
"""Studies in the suite, where each simulation may take a second or two; `make statistics` runs the full counts."""


@pytest.mark.parametrize("name", COUNTS)
def test_the_limits_hold_in_a_few_simulated_studies(name):
    """Three standard errors of so few studies and one study more: of a hundred lines one or two exceed two."""
    simulation, _ = SIMULATIONS[name]
    lines = list(simulation(COUNTS[name]))
    for line in lines:
        slack = 1.5 * line.slack + 1 / line.n
        assert line.least - slack <= line.value <= line.most + slack, line.what


def test_a_table_names_what_does_not_hold():
    text = table([Line("joint", "false alarm", 0.2, 0, 0.05, 1000), Line("joint", "power", 0.5, 0, 1, 1000)])
    assert "| false alarm | 0.2000 | 0 to 0.05 (± 0.0138) | 1,000 | **no** |" in text
    assert "| power | 0.5000 | 0 to 1 | 1,000 | yes |" in text


def test_the_figures_are_written_one_file_a_simulation_and_a_page_of_all(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "sys.argv", ["simulate.py", "--share", "0.005", "--only", "ladder_predictions", "--out", str(tmp_path)]
    )
    assert main() in (0, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ladder_predictions.json", "simulations.md"]
