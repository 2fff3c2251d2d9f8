"""The steps of docs/serving/Dockerfile, run without a container: in a venv, as another user, who can write nowhere.

No base image is needed, and no index: what the locks name is installed already, and a .pth file leads there.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="needs the extra serve: requirements/serve.txt")

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "docs" / "serving" / "Dockerfile").read_text(encoding="utf-8")
USER = 10001
ANOTHER = {"user": USER, "group": USER, "extra_groups": []}
NOT_SOURCE = shutil.ignore_patterns(
    ".git", ".venv", "build", "dist", "results", "tests", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis"
)


def lines(word: str) -> list[str]:
    """What follows this instruction, each time."""
    return re.findall(rf"^{word} (.*)$", DOCKERFILE, re.MULTILINE)


def in_place(word: str, folder: Path) -> list[str]:
    """The command in JSON behind an instruction, with the folder for the container's root."""
    (line,) = lines(word)
    command = json.loads(line[line.index("[") :])
    return [f"{folder}{part}" if part.startswith("/") else part for part in command]


@pytest.fixture
def image():
    """A folder that is what the root of the container would be."""
    folder = Path(tempfile.mkdtemp()).resolve()
    folder.chmod(0o755)  # pytest's own folders are for one user
    yield folder
    shutil.rmtree(folder)


def built(folder: Path) -> None:
    """Every RUN, but that what the locks name is not installed once more."""
    source = folder / "src"
    shutil.copytree(ROOT, source, ignore=NOT_SOURCE)
    for line in lines("RUN"):
        words = shlex.split(line.replace("/opt/", f"{folder}/opt/"))
        if "--require-hashes" in words:
            assert (ROOT / words[-1]).is_file()
            continue
        words[0] = sys.executable if words[0] == "python" else words[0]
        done = subprocess.run(words, cwd=source, env={**os.environ, "PYTHONPATH": ""}, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        if "venv" in words:
            (site,) = (folder / "opt").glob("nanochat/lib/python*/site-packages")
            for old in site.glob("setuptools*"):  # older than the locked one, before Python 3.12
                shutil.rmtree(old)
            there = [path for path in sys.path if path.endswith("site-packages")]
            (site / "installed.pth").write_text("\n".join(there) + "\n", encoding="utf-8")


def readable(folder: Path) -> None:
    """Give the venv an interpreter that another user can run, of the same version: root's own lies in root's folder."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (Path(sys._base_executable).resolve(), Path("/usr/local/bin", version), Path("/usr/bin", version)):
        try:
            subprocess.run([python, "-c", "import encodings"], check=True, capture_output=True, cwd="/", **ANOTHER)
        except (OSError, subprocess.CalledProcessError):
            continue
        link = folder / "opt" / "nanochat" / "bin" / "python"
        link.unlink()
        link.symlink_to(python)
        settings = link.parents[1] / "pyvenv.cfg"
        settings.write_text(f"home = {python.parent}\ninclude-system-site-packages = false\n", encoding="utf-8")
        return
    pytest.skip(f"needs a {version} that another user may run")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="becomes another user, which root can")
def test_the_image_serves_as_another_user_who_writes_nowhere(image):
    from running import Site

    from nanochat.training.resolve import resolve
    from nanochat.training.run import run_training

    built(image)
    readable(image)
    shutil.rmtree(image / "src")
    training = {"steps": 2, "eval_tokens": 64}
    run_training(resolve({"preset": "bigram", "training": training}), out=image / "model")
    (image / "run" / "secrets").mkdir(parents=True)
    (image / "run" / "secrets" / "token").write_text("secret-word\n", encoding="utf-8")
    (image / "tmp").mkdir()
    (image / "tmp").chmod(0o1777)
    assert lines("USER") == [f"{USER}:{USER}"]
    settings = dict(re.findall(r"(\w+)=(\S+)", " ".join(lines("ENV"))))
    environment = {"PATH": "/usr/bin:/bin", **settings, "MPLCONFIGDIR": str(image / "tmp")}
    as_another = {**ANOTHER, "cwd": image / "tmp", "env": environment}
    before = {path: path.stat().st_mtime_ns for path in image.rglob("*")}
    command = in_place("ENTRYPOINT", image)
    command[command.index("--port") + 1] = "0"
    server = subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, text=True, **as_another)
    try:
        said = json.loads("".join(iter(server.stdout.readline, "}\n")) + "}")
        port = said["address"].rpartition(":")[2]
        site = Site(int(port), server)
        health = [part.replace(":8000", f":{port}") for part in in_place("HEALTHCHECK", image)]
        assert subprocess.run(health, check=False, **as_another).returncode == 0
        assert site.ask("GET", "/").body == (ROOT / "serving" / "static" / "index.html").read_bytes()
        assert site.ask("GET", "/api/model").status == 401
        card = site.ask("GET", "/api/model", authorization="Bearer secret-word").json
        assert (card["name"], card["kind"]) == ("model", "bigram")
        assert site.post("/v1/completions", {"prompt": "a"}, authorization="Bearer secret-word").status == 200
        assert f"Uid:\t{USER}" in Path(f"/proc/{server.pid}/status").read_text(encoding="utf-8")
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 128 + signal.SIGTERM
    finally:
        server.kill()
        server.stdout.close()
    assert {path: path.stat().st_mtime_ns for path in image.rglob("*")} == before
