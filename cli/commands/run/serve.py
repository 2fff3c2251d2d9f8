"""`nanochat serve`: a model over HTTP, as OpenAI's clients speak it."""

from __future__ import annotations

import logging
import os
from functools import partial
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from ....errors import UsageError, missing_extra
from ....plain import shown_path
from ....serving.limits import Limits
from ....setting import Setting, settings_of
from ...console import print_json, print_result, say
from ...options import RUNS, JsonFlag, RunFlag
from ...parser import Commands, Work
from ...sampling import load_model

if TYPE_CHECKING:
    from ....serving.guard import Trust

TOKEN = "NANOCHAT_TOKEN"
_MOST_TOKEN = 4096
_KINDS = get_type_hints(Limits)


def _parameter(name: str, known: Setting, default: Any) -> Parameter:
    option = typer.Option(known.flag, help=known.help, rich_help_panel="Limits")
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[_KINDS[name], option])


LIMIT_FLAGS = [_parameter(name, known, default) for name, known, default in settings_of(Limits)]

commands = Commands()


@commands.words("serve", "nanochat serve --run latest", last=LIMIT_FLAGS)
def _words(
    *,
    run: RunFlag = "latest",
    host: Annotated[str, typer.Option(help="Where to listen; another machine needs a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 for any that is free.", min=0, max=65535)] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option(help=f"What clients have to know, in a file; or in {TOKEN}.", metavar="FILE", readable=False),
    ] = None,
    name: Annotated[str, typer.Option(help="What clients call the model; the run's folder if not given.")] = "",
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A name this machine goes by; repeatable.", metavar="NAME")
    ] = None,
    allow_origin: Annotated[
        list[str] | None, typer.Option(help="A site whose pages may ask; repeatable.", metavar="URL")
    ] = None,
    runs: Annotated[Path, typer.Option(help="The folder whose runs the page shows.", metavar="DIR")] = RUNS,
    strict_context: Annotated[
        bool, typer.Option("--strict-context", help="Refuse a chat that outgrows the context, drop no turns.")
    ] = False,
    log: Annotated[bool, typer.Option("--log", help="A line on stderr for each request, without its text.")] = False,
    json: JsonFlag = False,
    **options: Any,
) -> Work:
    """Let others talk to a model over HTTP, and look into it: the openai package, llm, curl, a browser.

    The same seed gives the same text, whoever else is being answered. Ctrl-C or SIGTERM end it, and what is being
    answered is finished.
    """
    for limit, known, default in settings_of(Limits):
        if problem := known.problem(options[limit], default):
            raise UsageError(f"{known.flag} {options[limit]} {problem}")
    return partial(
        serve,
        run,
        host=host,
        port=port,
        token_file=token_file,
        name=name,
        allow_host=tuple(allow_host or ()),
        allow_origin=tuple(allow_origin or ()),
        runs=runs,
        strict_context=strict_context,
        log=log,
        json=json,
        limits=Limits(**options),
    )


def serve(
    run: str,
    *,
    host: str,
    port: int,
    token_file: Path | None,
    name: str,
    allow_host: tuple[str, ...],
    allow_origin: tuple[str, ...],
    runs: Path,
    strict_context: bool,
    log: bool,
    json: bool,
    limits: Limits,
) -> None:
    """Listen, print the address, and answer until a signal comes."""
    from ...folders import find_folder, run_of

    try:
        from ....serving.app import create_app
        from ....serving.server import bound, is_loopback
        from ....serving.server import serve as answer
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("starlette", "uvicorn", "prometheus_client"):
            raise
        raise missing_extra("serve") from None
    token = _token(token_file)
    if not is_loopback(host) and not token:
        raise UsageError(f"--host {host} can be reached by other machines: give a --token-file, or set {TOKEN}")
    path = find_folder(run)
    model = load_model(path, None)
    if log:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
    listening, address = bound(host, port)
    with listening:
        app = create_app(
            model,
            name=name or path.resolve().name,
            limits=limits,
            trust=_trust(host, token, allow_host, allow_origin, is_open=not is_loopback(host)),
            is_context_strict=strict_context,
            runs=runs,
            served=run_of(path),
        )
        answer(app, listening, limits, partial(_tell, path, address, has_token=bool(token), json=json))


def _tell(path: Path, address: str, *, has_token: bool, json: bool) -> None:
    import sys

    if json:
        print_json({"run": shown_path(path), "address": address, "base_url": f"{address}/v1"})
    else:
        print_result(address)
        key = "the token as their API key" if has_token else "any API key"
        say(f"clients ask {address}/v1, with {key}; Ctrl-C ends it")
    sys.stdout.flush()


def _token(file: Path | None) -> str:
    """What clients have to know, "" for nothing. Raises UsageError for a file that holds nothing of the kind."""
    from ....storage.reading import decode_text, read_bytes

    if file is None:
        return os.environ.get(TOKEN, "").strip()
    token = decode_text(read_bytes(file, limit=_MOST_TOKEN), str(file), UsageError).strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"--token-file {shown_path(file)} holds no token: write one word of ASCII into it")
    return token


def _trust(host: str, token: str, hosts: tuple[str, ...], origins: tuple[str, ...], *, is_open: bool) -> Trust:
    """On loopback the usual names; elsewhere, where the token keeps others out, any unless some are given."""
    from ....serving.guard import LOOPBACK, Trust

    named = frozenset(one.lower() for one in hosts)
    allowed = None if is_open and not named else LOOPBACK | named | {host}
    return Trust(hosts=allowed, origins=frozenset(origins), token=token)
