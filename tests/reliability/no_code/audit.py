"""R19, watched: a program that does everything once, under an audit hook that sees what Python does for it.

    python audit.py FOLDER      prints one JSON line: how much was seen, and what should not have been

The hook is installed in worker processes, too: multiprocessing imports this file there. Events: every unpickling of a
class, every compiled or executed code, every program started, every connection, every file opened for writing.
"""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any

CANARY = "canaryqwx"
"""Stands in every text that is read here; in code that is compiled or executed it has no business."""
_FORBIDDEN = (
    *("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.startfile", "subprocess.Popen", "pty.spawn"),
    *("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"),
    *("urllib.Request", "http.client.connect", "ftplib.connect", "smtplib.connect", "webbrowser.open"),
    *("marshal.loads", "marshal.load", "code.__new__", "function.__new__", "sqlite3.connect"),
)
_WATCHED = {*_FORBIDDEN, "pickle.find_class", "compile", "exec", "open", "socket.__new__"}
_IMPORTS = "<frozen importlib"
_OURS = Path(str(find_spec("nanochat").origin)).parent  # type: ignore[union-attr]
_WRITABLE = (os.devnull, "/proc/self/clear_refs", "/dev/null")


class Watch:
    """What has happened, and what should not have."""

    def __init__(self, log: Path) -> None:
        self.log, self.home = log, str(log.parent)
        self.counts: dict[str, int] = {}
        self.is_on = False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.is_on or event not in _WATCHED:
            return
        caller = sys._getframe(1).f_code.co_filename
        is_import = caller.startswith(_IMPORTS)
        problem = None
        if event == "pickle.find_class" and not {"multiprocessing", "concurrent"} & set(Path(caller).parts):
            problem = f"{arguments} unpickled by {caller}"
        elif event in _FORBIDDEN and not is_import:
            problem = f"{arguments!r} by {caller}"[:300]
        elif event == "socket.__new__" and arguments[1] != getattr(_socket(), "AF_UNIX", None):
            problem = f"a socket of family {arguments[1]}"
        elif event in ("compile", "exec") and not is_import:
            problem = _code(arguments[0], caller)
        elif event == "open" and self._writes(arguments):
            problem = f"{arguments[0]} opened for writing"
        self.counts[event] = self.counts.get(event, 0) + 1
        if problem:
            self.is_on = False
            with self.log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(f"{event}: {problem}") + "\n")
            self.is_on = True

    def _writes(self, arguments: tuple[Any, ...]) -> bool:
        path, mode, flags = arguments
        if isinstance(path, int) or (mode is None and not flags & (os.O_WRONLY | os.O_RDWR)):
            return False
        if mode is not None and not set(mode) & set("wax+"):
            return False
        name = os.path.abspath(os.fsdecode(path))  # noqa: PTH100
        return not (name.startswith(self.home) or name in _WRITABLE)


def _code(what: Any, caller: str) -> str | None:
    """Why this code should not run: it is ours that runs it, or the text of a file is in it."""
    text = what if isinstance(what, str) else " ".join(map(str, getattr(what, "co_consts", ())))
    if CANARY in str(text):
        return f"text of a data file in {str(text)[:100]!r}"
    is_library = "site-packages" in Path(caller).parts  # the environment may lie in the folder of a checkout
    return f"by {caller}" if _OURS in Path(caller).parents and not is_library else None


def _socket() -> Any:
    return sys.modules.get("_socket")


def _commands(home: Path) -> list[list[str]]:
    """Train, save, load, sample, convert, report, ablate with two processes: each kind of file is written and read."""
    corpus = home / "corpus.txt"
    corpus.write_text(f"abcabd {CANARY}\n" * 60, encoding="utf-8")
    settings = home / "settings.toml"
    settings.write_text(f'seed = 3\n[data]\nsource = "{corpus.as_posix()}"\n', encoding="utf-8")
    run, study = str(home / "run"), str(home / "study")
    tiny = ["--config", str(settings), "--steps", "2", "--set", "eval_tokens=16"]
    tensor = ["--preset", "mini-gpt", "--mode", "tensor", "--checkpoint-every", "1"]
    return [
        ["train", *tiny, *tensor, "--out", run, "--stop-at", "1"],
        ["train", "--resume", run],
        ["train", *tiny, "--preset", "bigram", "--out", str(home / "scalar")],
        ["sample", "--run", run, "--prompt", CANARY[:3], "--max-new-tokens", "3"],
        ["report", run],
        ["runs", "list", "--json"],
        ["checkpoint", "inspect", run],
        ["checkpoint", "convert", run, str(home / "m.json.gz")],
        ["sample", "--run", str(home / "m.json.gz"), "--max-new-tokens", "3"],
        ["ablate", *tiny, "--preset", "bigram", "--seeds", "1", "--jobs", "2", "--out", study],
        ["ablate", *tiny, "--preset", "bigram", "--seeds", "1", "--jobs", "2", "--out", study],  # finds its cells
        ["report", study],
        ["graph", "a*b+a", "a=1.5", "b=2"],
    ]


def run(home: Path) -> dict[str, Any]:
    """Everything once; {"seen": {event: count}, "problems": [...], "exits": {command: code}}."""
    from nanochat.cli.app import main

    exits: dict[str, int] = {}
    os.chdir(home)
    commands = _commands(home)
    import matplotlib.font_manager  # noqa: F401  (which asks fc-list for the fonts of a machine that it has not seen)

    WATCH.is_on = True
    for words in commands:
        said = io.StringIO()
        try:
            with redirect_stdout(io.StringIO()), redirect_stderr(said):
                main(words)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
            exits[" ".join(words[:2])] = max(code, exits.get(" ".join(words[:2]), 0))
            if code:
                exits[f"{' '.join(words)[:200]} said {said.getvalue()[-300:]}"] = code
    WATCH.is_on = False
    log = WATCH.log.read_text(encoding="utf-8").splitlines() if WATCH.log.exists() else []
    return {"seen": WATCH.counts, "problems": [json.loads(line) for line in log], "exits": exits}


if "RELIABILITY_AUDIT" in os.environ:  # set in the process that watches, and so in its workers
    WATCH = Watch(Path(os.environ["RELIABILITY_AUDIT"]))
    WATCH.is_on = __name__ != "__main__"  # a worker is watched from the beginning, the first process once it is warm
    sys.addaudithook(WATCH)

if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(Path(os.environ["RELIABILITY_AUDIT"]).parent)) + "\n")
