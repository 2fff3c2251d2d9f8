import pytest

from nanochat.errors import GuardError
from nanochat.experiments.analysis.findings import analyse
from nanochat.experiments.reports.study.latex import MARK, escaped, latex_table, write_latex


def test_the_table_has_a_row_for_each_variant_and_closes_what_it_opens(study_of):
    base = [2.0, 2.1, 2.05, 1.95, 2.0, 2.02, 1.98, 2.03]
    text = latex_table(
        analyse(study_of(base, [x - 0.5 + 0.001 * i for i, x in enumerate(base)], [x + 0.4 for x in base]))
    )
    lines = text.splitlines()
    assert lines[0].startswith(MARK)
    assert sum(line.endswith(r"\\") for line in lines) == 4  # the heading and three variants
    assert [line.count("&") for line in lines if line.endswith(r"\\")] == [5] * 4
    assert [text.count(f"\\begin{{{name}}}") - text.count(f"\\end{{{name}}}") for name in ("table", "tabular")] == [
        0,
        0,
    ]
    assert lines[9].startswith("lr=2.0 & 1.5197 & $-0.4965$ & $-0.4")
    assert lines[9].endswith(r"& better \\")
    assert text.count("{") == text.count("}")


def test_names_are_escaped():
    assert escaped("a_b & 5% #1 {x} ~^\\<>$") == (
        r"a\_b \& 5\% \#1 \{x\} \textasciitilde{}\textasciicircum{}\textbackslash{}\textless{}\textgreater{}\$"
    )


def test_others_files_stay(study_of, tmp_path):
    (tmp_path / "report.tex").write_text("mine", encoding="utf-8")
    with pytest.raises(GuardError, match="was not written by nanochat report"):
        write_latex(analyse(study_of([2.0], [2.1])), tmp_path)
