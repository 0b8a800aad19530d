"""The events of the simulated API: any number, the same for the same settings, written only when asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.simulate.keys import NEWEST_MS, Key, Keys, Span, draw_keys
from penstock.simulate.timestamps import EVERY, OBSERVED, epoch_ms
from penstock.simulate.wording import Text, Wording

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from penstock.simulate.keys import Ids
    from penstock.simulate.settings import DataSyncSettings

__all__ = ["Dataset"]


class Dataset:
    """Keys are held in memory (24 bytes an event), texts are not.

    Rows are numbered from the newest. The first `reserve` rows are events still to be inserted; the settings' `events` follow.
    """

    def __init__(self, settings: DataSyncSettings, like: Dataset | None = None) -> None:
        """The same events as `like` has, where it is given, with all their timestamps in epoch ms, as the stream writes them."""
        self.reserve = settings.reserve
        self.keys: Keys = like.keys if like else draw_keys(settings)
        self.wording = Wording(settings, (epoch_ms,) if like else OBSERVED if settings.timestamps == "mixed" else EVERY)

    def __len__(self) -> int:
        return len(self.keys) - self.reserve

    def __getitem__(self, row: int) -> Key:
        return self.keys[row]

    def text(self, span: Span) -> Text:
        """The events of `span` as the API writes them."""
        rows = slice(span.first, span.last)
        return self.wording.write(self.keys.ids[rows], NEWEST_MS - self.keys.ages[rows])

    def undecodable(self, span: Span) -> npt.NDArray[np.bool_]:
        """Which rows of `span` a strict reader has to refuse."""
        return self.wording.undecodable(self.keys.ids[span.first : span.last])

    def ids(self, inserted: int = 0) -> Ids:
        """uint8[n, 16]: the uuids of all events, newest first, with the first `inserted` live ones."""
        return self.keys.ids[self.reserve - inserted :]

    def refused_ids(self, inserted: int = 0) -> Ids:
        """uint8[n, 16]: the uuids of the undecodable events among `ids`, also where their text does not show it."""
        ids = self.ids(inserted)
        return ids[self.wording.undecodable(ids)]
