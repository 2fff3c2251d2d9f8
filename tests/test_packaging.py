"""What is shipped: the sdist builds, the wheel built from it holds the package and nothing else, and the command runs.

No index is needed. The builds use the locked setuptools that is already here. The wheel goes into an empty environment
without its dependencies, and a .pth file there leads to those that are already installed: what is tested is what is in
our wheel, not whether the index answers. (The editable install of the checkout comes after the wheel on that path.)
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import nanochat

ROOT = Path(__file__).parents[1]
FOLDERS = """storage engine tokenizers models data checkpoints inference training compression experiments course serving
    cli""".split()
NOT_SOURCE = shutil.ignore_patterns(
    ".git", ".venv", "build", "dist", "results", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis"
)

pytestmark = pytest.mark.slow


def run(*command: object, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": "", **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("source") / "a checkout"  # a copy, because a build leaves its traces
    shutil.copytree(ROOT, source, ignore=NOT_SOURCE)
    run(sys.executable, "-c", "from setuptools import build_meta; build_meta.build_sdist('dist')", cwd=source)
    return next((source / "dist").glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(sdist: Path) -> Path:
    with tarfile.open(sdist) as archive:
        safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # since 3.11.4, and asked for since 3.12
        archive.extractall(sdist.parent, **safely)
    source = sdist.parent / sdist.name.removesuffix(".tar.gz")
    run(sys.executable, "-c", "from setuptools import build_meta; build_meta.build_wheel('dist')", cwd=source)
    return next((source / "dist").glob("*.whl"))


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    ours = {path.relative_to(ROOT).as_posix() for name in FOLDERS for path in (ROOT / name).rglob("*.py")}
    shipped = [
        path
        for folder in ("data/builtin", "course", "experiments/parity", "serving/static")
        for path in (ROOT / folder).rglob("*.*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    ours |= {path.relative_to(ROOT).as_posix() for path in shipped}
    ours |= {path.name for path in ROOT.glob("*.py")} | {"py.typed"}
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.removeprefix("nanochat/") for name in names if name.startswith("nanochat/")} == ours
    assert {name.split("/")[0] for name in names} == {"nanochat", f"nanochat-{nanochat.__version__}.dist-info"}


def test_the_metadata_names_version_licence_and_no_address_of_a_machine(wheel):
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    assert metadata["Version"] == nanochat.__version__
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "file:" not in str(metadata)


def test_the_installed_command_runs_from_another_folder(wheel, tmp_path):
    home = tmp_path / "an environment"
    venv.create(home, with_pip=False, symlinks=os.name != "nt")
    paths = sysconfig.get_paths(vars={"base": str(home), "platbase": str(home)}, scheme="venv")
    python = Path(paths["scripts"]) / Path(sys.executable).name
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    (Path(paths["purelib"]) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")

    where = run(python, "-c", "import nanochat; print(nanochat.__file__)", cwd=tmp_path).strip()
    assert Path(where).is_relative_to(home)
    assert nanochat.__version__ in run(Path(paths["scripts"]) / "nanochat", "--version", cwd=tmp_path)
