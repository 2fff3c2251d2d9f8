"""The files of the page, read once at the start: what a browser asks for is looked up here, and no path of it is ever
opened.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from ..storage.reading import read_bytes

Endpoint = Callable[[Request], Awaitable[Response]]
FOLDER = Path(__file__).parent / "static"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""By ending; nothing else is served."""
_MOST_BYTES = 1 << 22


def endpoints(folder: Path = FOLDER) -> dict[str, Endpoint]:
    """What answers for each path: `/page.js` for page.js, and `/` for index.html. Links are left out."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in TYPES and not path.is_symlink():
            found[f"/{path.name}"] = _endpoint(read_bytes(path, limit=_MOST_BYTES), TYPES[path.suffix])
    return {"/": found["/index.html"], **found} if "/index.html" in found else found


def _endpoint(content: bytes, kind: str) -> Endpoint:
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {"cache-control": "no-cache", "etag": tag}

    async def answer(request: Request) -> Response:
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=kind, headers=headers)

    return answer
