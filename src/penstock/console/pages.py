"""The four addresses, as an ASGI application: `/health`, `/ready`, `/metrics`, `/status`."""

from __future__ import annotations

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from penstock.console.health import health, readiness
from penstock.console.metrics import Exposition
from penstock.console.snapshot import snapshot
from penstock.engine.telemetry import Telemetry

OK = 200
UNAVAILABLE = 503


class Pages:
    """What is answered about one run; nothing is computed before somebody asks."""

    def __init__(self, telemetry: Telemetry, *, stall_s: float) -> None:
        self._telemetry = telemetry
        self._stall_s = stall_s
        self._exposition = Exposition(telemetry)
        self._paths = {"/health": self._health, "/ready": self._ready, "/metrics": self._metrics, "/status": self._status}

    def application(self) -> Starlette:
        """To be served."""
        routes = [Route(path, page, methods=["GET"]) for path, page in self._paths.items()]
        application = Starlette(routes=routes, exception_handlers={HTTPException: self._error})
        application.router.redirect_slashes = False
        return application

    async def _health(self, _request: Request) -> Response:
        seen = health(self._telemetry, stall_s=self._stall_s)
        return _json(seen, OK if seen.alive else UNAVAILABLE)

    async def _ready(self, _request: Request) -> Response:
        seen = readiness(self._telemetry)
        return _json(seen, OK if seen.ready else UNAVAILABLE)

    async def _metrics(self, request: Request) -> Response:
        text, content_type = self._exposition.text(request.headers.get("accept", ""))
        return Response(text, headers={"content-type": content_type, "cache-control": "no-store"})

    async def _status(self, _request: Request) -> Response:
        return _json(snapshot(self._telemetry), OK)

    async def _error(self, _request: Request, error: Exception) -> Response:
        """Say what there is instead: no such page (404), or a method that would change something (405)."""
        assert isinstance(error, HTTPException)
        response = _json({"error": error.detail, "pages": list(self._paths)}, error.status_code)
        response.headers.update(error.headers or {})
        return response


def _json(fields: object, status: int) -> Response:
    return Response(msgspec.json.encode(fields), status, {"cache-control": "no-store"}, "application/json")
