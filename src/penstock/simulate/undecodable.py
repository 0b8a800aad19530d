"""Ways in which one event's text cannot be read, each applied to the whole text of a good event."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.simulate.settings import Undecodable

_ID = re.compile(rb'(?<=\{"id":)"[^"]*"')
_TIMESTAMP = re.compile(rb'(?<="timestamp":)[^,]*(?=,"session")')

SPOIL: dict[Undecodable, Callable[[bytes], bytes]] = {
    "infinity": lambda event: event.replace(b'"properties":{', b'"properties":{"score":Infinity,', 1),
    "surrogate": lambda event: event.replace(b'"page":"', b'"page":"\\ud800', 1),
    "timestamp_type": lambda event: _TIMESTAMP.sub(b"{}", event, count=1),
    "id_type": lambda event: _ID.sub(b"12", event, count=1),
    "id_text": lambda event: _ID.sub(b'"not-a-uuid"', event, count=1),
    "utf8": lambda event: event.replace(b'"page":"', b'"page":"\xff', 1),
}
