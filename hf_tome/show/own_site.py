"""Who may ask the page on this machine: itself, by the name of this machine."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

LOCAL = ("127.0.0.1", "localhost")


class OwnSite:
    """ASGI middleware that refuses what pages of other sites send: directly (Origin), or by a name of theirs that leads
    to this machine (Host; DNS rebinding)."""

    def __init__(self, app: Any) -> None:
        from starlette.responses import PlainTextResponse

        self.app = app
        self.refusal = PlainTextResponse("This page answers to itself alone, on this machine.", 403)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        told = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host, origin = told.get(b"host", ""), told.get(b"origin")
        own = urlsplit(f"//{host}").hostname in LOCAL and (origin is None or urlsplit(origin).netloc == host)
        await (self.app if own else self.refusal)(scope, receive, send)
