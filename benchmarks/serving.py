"""How much faster many clients are served together than one by one, and what a token costs, servers in turn.

python benchmarks/serving.py [--clients 16] [--tokens 150] [--rounds 3]
Prints a Markdown table. The model is the preset nanogpt-cpu with a block of 256 and random weights over letters, so
that nothing ends a text; each server is a process of its own. CPU time of the server holds on a busy machine, tokens
a second do not. Needs the extra serve.
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

import numpy as np

from nanochat.inference.language_model import LanguageModel
from nanochat.models.build import build_model
from nanochat.models.initial import draw_weights
from nanochat.models.presets import PRESETS
from nanochat.tokenizers import CharTokenizer

SERVERS = {"one by one": ["--max-batch", "1"], "together": ["--max-batch", "8"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--tokens", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "letters.safetensors"
        letters().save(model)
        servers = {name: Server(model, words) for name, words in SERVERS.items()}
        print("| clients | served | tokens/s | first token, ms (median) | CPU ms a token |\n|--:|---|--:|--:|--:|")
        for n_clients in arguments.clients:
            rounds = [
                {name: one.measure(n_clients, arguments.tokens) for name, one in servers.items()}
                for _ in range(arguments.rounds)
            ]
            for name in servers:
                rate, first, cpu = (statistics.median(each[name][i] for each in rounds) for i in range(3))
                print(f"| {n_clients} | {name} | {rate:.0f} | {first:.0f} | {cpu:.2f} |", flush=True)
        for one in servers.values():
            one.stop()


def letters() -> LanguageModel:
    """A model that nothing ends but its context."""
    tokenizer = CharTokenizer.train("".join(map(chr, range(32, 97))))
    config = replace(PRESETS["nanogpt-cpu"].model, vocab_size=tokenizer.vocab_size, block_size=256)
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
        connection.request("POST", "/v1/completions", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.readline()
        first = time.perf_counter() - begun
        n_events = answer.read().count(b"data: ")
        assert n_events >= n_tokens, n_events
        connection.close()
        return first

    def cpu_seconds(self) -> float:
        """Of the process so far (Linux)."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


if __name__ == "__main__":
    main()
