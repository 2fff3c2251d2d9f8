"""Whether files changed since they were installed: by the wheel's digests, by git, or nobody knows."""

import base64
import hashlib
import subprocess
from importlib.metadata import Distribution
from pathlib import Path

from nanochat.experiments.certify.installed import _changed_since_the_commit, _changed_since_the_wheel


def wheel(root: Path, files: dict[str, str]) -> Distribution:
    """What pip leaves of a wheel with these files."""
    info = root / "nanochat-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: nanochat\nVersion: 0.1.0\n", encoding="utf-8")
    rows = []
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},{len(text)}")
    (info / "RECORD").write_text("\n".join([*rows, "nanochat-0.1.0.dist-info/RECORD,,"]), encoding="utf-8")
    return Distribution.at(info)


def test_a_wheel_knows_what_was_changed_and_what_is_gone(tmp_path):
    installed = wheel(tmp_path, {"nanochat/engine/value.py": "a = 1\n", "nanochat/plain.py": "", "other/b.py": ""})
    package = tmp_path / "nanochat"
    assert _changed_since_the_wheel(installed, package) == []
    (package / "engine" / "value.py").write_text("a = 2\n", encoding="utf-8")
    (package / "plain.py").unlink()
    assert _changed_since_the_wheel(installed, package) == ["engine/value.py", "plain.py"]


def test_a_wheel_that_lists_no_module_knows_nothing(tmp_path):
    editable = wheel(tmp_path, {"__editable___nanochat_finder.py": ""})  # its environment may lie in the checkout
    (tmp_path / "__editable___nanochat_finder.py").write_text("changed", encoding="utf-8")
    assert _changed_since_the_wheel(editable, tmp_path) is None


def test_a_checkout_asks_git_and_elsewhere_nobody_knows(tmp_path):
    assert _changed_since_the_commit(tmp_path) is None
    (tmp_path / "a.py").write_text("", encoding="utf-8")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "b.py").write_text("", encoding="utf-8")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "a"]):
        subprocess.run([*git, *words], check=True)
    assert _changed_since_the_commit(tmp_path) == []
    (tmp_path / "a.py").write_text("b", encoding="utf-8")
    (tmp_path / "tests" / "b.py").write_text("b", encoding="utf-8")
    assert _changed_since_the_commit(tmp_path) == ["a.py"]
