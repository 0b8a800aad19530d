"""The API's smaller endpoints: sessions, metrics and statistics, from the events that exist now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from penstock.simulate.http import Answer, ApiError, Request, json_answer
from penstock.simulate.wording import TYPES

if TYPE_CHECKING:
    from penstock.simulate.dataset import Dataset
    from penstock.simulate.keys import Span

SESSIONS_PER_MINUTE, METRICS_PER_MINUTE = 40, 30
DEFAULT_LIMIT = 100


class Catalogue:
    """Answers what can be counted."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._sessions = dataset.wording.sessions

    def sessions(self, request: Request, visible: Span) -> Answer:
        """The first `limit` sessions."""
        asked = request.query.get("limit", "")
        limit = int(asked) if asked.isascii() and asked.isdecimal() else DEFAULT_LIMIT
        total, volumes = len(self._sessions.names), self._volumes(visible)[0]
        found = [{**self._session(at), "eventCount": int(volumes[at])} for at in range(min(limit, total))]
        paging = {"limit": limit, "hasMore": limit < total, "nextCursor": None}
        return json_answer(200, {"data": found, "pagination": paging, "meta": {"total": total, "returned": len(found)}})

    def session(self, name: str, visible: Span) -> Answer:
        """One of them."""
        at = self._sessions.names.index(name.encode()).as_py()
        if at < 0:
            raise ApiError(404, "Not Found", "SESSION_NOT_FOUND", f"There is no session {name}")
        return json_answer(200, {"data": {**self._session(at), "_count": {"events": int(self._volumes(visible)[0][at])}}})

    def metrics(self) -> Answer:
        """Nothing, as observed."""
        return json_answer(200, {"data": [], "pagination": {"limit": 100, "hasMore": False, "nextCursor": None}, "meta": {"total": 0}})

    def stats(self, visible: Span) -> Answer:
        """Counts of everything."""
        sessions, types = self._volumes(visible)
        devices: dict[str, int] = {}
        for device, volume in zip(self._sessions.devices.to_pylist(), sessions.tolist(), strict=True):
            devices[device.decode()] = devices.get(device.decode(), 0) + volume
        users = len(self._sessions.users.unique())
        counts = {"events": len(visible), "sessions": len(sessions), "users": users, "metrics": 0}
        return json_answer(200, {"counts": counts, "eventTypes": dict(zip(TYPES, types.tolist(), strict=True)), "deviceTypes": devices})

    def _session(self, at: int) -> dict[str, object]:
        read = self._sessions
        columns = {"id": read.names, "userId": read.users, "deviceType": read.devices, "browser": read.browsers}
        return {name: column[at].as_py().decode() for name, column in columns.items()}

    def _volumes(self, visible: Span) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], np.ndarray[tuple[int], np.dtype[np.int64]]]:
        return self._dataset.wording.volumes(self._dataset.keys.ids[visible.first : visible.last])
