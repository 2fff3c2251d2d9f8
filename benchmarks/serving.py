"""How much faster many clients are served together than one by one, and what a token costs, servers in turn.

python benchmarks/serving.py [--clients 16] [--tokens 150] [--rounds 3]     servers in turn
python benchmarks/serving.py --presets microgpt nanogpt-char [--rounds 3]  what a model of each preset gives
python benchmarks/serving.py --http [--rounds 3]                          a request without the model, memory
Prints Markdown tables. The models have random weights over letters, so that nothing ends a text; where servers are
compared it is the preset nanogpt-cpu with a block of 256. Each server is a process of its own. CPU time of the server
holds on a busy machine, tokens a second do not. Needs the extra serve.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np

from nanochat.inference.language_model import LanguageModel
from nanochat.models.build import build_model
from nanochat.models.initial import draw_weights
from nanochat.models.parameters import count_parameters
from nanochat.models.presets import PRESETS
from nanochat.tokenizers import CharTokenizer

TEXT = "/v1/completions"
SERVERS = {"one by one": ["--max-batch", "1"], "together": ["--max-batch", "8"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--tokens", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--presets", nargs="+", choices=[name for name in PRESETS if name != "bigram"])
    parser.add_argument("--http", action="store_true")
    arguments = parser.parse_args()
    if arguments.presets:
        presets(arguments.presets, arguments.rounds)
    elif arguments.http:
        http(arguments.rounds)
    else:
        servers(arguments)


def servers(arguments: argparse.Namespace) -> None:
    """One by one and together, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "letters.safetensors"
        letters().save(model)
        begun = {name: Server(model, words) for name, words in SERVERS.items()}
        print("| clients | served | tokens/s | first token, ms (median) | CPU ms a token |\n|--:|---|--:|--:|--:|")
        for n_clients in arguments.clients:
            rounds = [
                {name: one.measure(n_clients, arguments.tokens) for name, one in begun.items()}
                for _ in range(arguments.rounds)
            ]
            for name in begun:
                rate, first, cpu = (statistics.median(each[name][i] for each in rounds) for i in range(3))
                print(f"| {n_clients} | {name} | {rate:.0f} | {first:.0f} | {cpu:.2f} |", flush=True)
        for one in begun.values():
            one.stop()


def presets(names: list[str], n_rounds: int) -> None:
    """Tokens a second of one client and of eight, and memory after them."""
    print(
        "| preset | parameters | context | clients | tokens/s | CPU ms a token | MiB |\n|---|--:|--:|--:|--:|--:|--:|"
    )
    for name in names:
        lm = letters(name)
        n_parameters = count_parameters(lm.config.parameters())
        with tempfile.TemporaryDirectory() as folder:
            lm.save(Path(folder) / "letters.safetensors")
            one = Server(Path(folder) / "letters.safetensors", [])
            for n_clients in (1, 8):
                n_tokens = min(150, lm.context - 9)
                rounds = [one.measure(n_clients, n_tokens) for _ in range(n_rounds)]
                rate, cpu = (statistics.median(each[i] for each in rounds) for i in (0, 2))
                figures = f"{n_clients} | {rate:.0f} | {cpu:.2f} | {one.memory_mib():.0f}"
                print(f"| {name} | {n_parameters:,} | {lm.context} | {figures} |", flush=True)
            one.stop()


def http(n_rounds: int) -> None:
    """CPU time of a request that asks nothing of the model, of one for a token, and memory after 600 of 50 tokens."""
    with tempfile.TemporaryDirectory() as folder:
        letters("microgpt").save(Path(folder) / "letters.safetensors")
        one = Server(Path(folder) / "letters.safetensors", [])
        first = one.memory_mib()
        print("| request | CPU ms |\n|---|--:|")
        for name, body in (("GET /health", None), ("no token", {"max_tokens": 0}), ("one token", {"max_tokens": 1})):
            found = statistics.median(one.cost(body, 1000) for _ in range(n_rounds))
            print(f"| {name} | {found:.2f} |", flush=True)
        with ThreadPoolExecutor(16) as clients:
            list(clients.map(lambda seed: one.ask(seed, 6), range(600)))
        print(f"memory: {first:.0f} MiB at the start, {one.memory_mib():.0f} after all of these and 600 streams")
        one.stop()


def letters(preset: str = "nanogpt-cpu") -> LanguageModel:
    """A model that nothing ends but its context."""
    known: Any = PRESETS[preset].model
    n_letters = 65 if preset == "nanogpt-cpu" else known.vocab_size - 1
    tokenizer = CharTokenizer.train("ONCE UPON" + "".join(map(chr, range(0x4E00, 0x4E00 + n_letters - 7))))
    block_size = 256 if preset == "nanogpt-cpu" else known.block_size
    config = replace(known, vocab_size=tokenizer.vocab_size, block_size=block_size, dropout=0.0)
    model = build_model(config, "tensor", "float32")
    model.load_state_dict(draw_weights(config.parameters(), np.random.default_rng(5)))
    return LanguageModel(model, tokenizer, config, "gpt", "tensor", stops_at_bos=False)


class Server:
    """A process of `nanochat serve`."""

    def __init__(self, model: Path, words: list[str]) -> None:
        command = [
            sys.executable,
            "-P",
            "-m",
            "nanochat",
            "serve",
            "--run",
            str(model),
            "--port",
            "0",
            "--json",
            *words,
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout
        told = json.loads("".join(iter(self.process.stdout.readline, "}\n")) + "}")
        self.port = int(told["address"].rpartition(":")[2])
        self.ask(0, 5)

    def measure(self, n_clients: int, n_tokens: int) -> tuple[float, float, float]:
        """Tokens a second, milliseconds to the first token, and of CPU time a token."""
        before, begun = self.cpu_seconds(), time.perf_counter()
        with ThreadPoolExecutor(n_clients) as clients:
            firsts = list(clients.map(lambda seed: self.ask(seed, n_tokens), range(n_clients)))
        seconds, cpu, n = time.perf_counter() - begun, self.cpu_seconds() - before, n_clients * n_tokens
        return n / seconds, 1000 * statistics.median(firsts), 1000 * cpu / n

    def ask(self, seed: int, n_tokens: int) -> float:
        """Seconds to the first token of a stream, which is read to its end."""
        connection, begun = HTTPConnection("127.0.0.1", self.port, timeout=120), time.perf_counter()
        body = json.dumps({"prompt": "ONCE UPON", "max_tokens": n_tokens, "seed": seed, "stream": True})
        connection.request("POST", TEXT, body, {"content-type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.readline()
        first = time.perf_counter() - begun
        n_events = answer.read().count(b"data: ")
        assert n_events >= n_tokens, n_events
        connection.close()
        return first

    def cost(self, body: dict[str, int] | None, n: int) -> float:
        """Milliseconds of CPU time of each of `n` requests over one connection."""
        connection, before = HTTPConnection("127.0.0.1", self.port, timeout=120), self.cpu_seconds()
        content, path = (None, "/health") if body is None else (json.dumps({"prompt": "ONCE", **body}), TEXT)
        for _ in range(n):
            connection.request("POST" if body else "GET", path, content, {"content-type": "application/json"})
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            answer.read()
        connection.close()
        return 1000 * (self.cpu_seconds() - before) / n

    def memory_mib(self) -> float:
        """Resident (Linux)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def cpu_seconds(self) -> float:
        """Of the process so far (Linux)."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


if __name__ == "__main__":
    main()
