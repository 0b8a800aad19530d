"""The last words of a pipeline."""

from __future__ import annotations

import pytest

from penstock.cli import pipeline_report
from penstock.model.counts import Counts
from penstock.model.gaps import SHED, Loss
from penstock.pipelines.evidence import Evidence
from penstock.pipelines.job import Ending
from penstock.ports.checkpoints import Outcome


@pytest.mark.parametrize(
    ("loss", "told"),
    [
        (Loss("reader failed", 1, 0, 1, None, None), "Lost upstream (reader failed): unknown how many in 1 gap."),
        (Loss("datagrams", 2, 7, 0, 0, 61_000_000), "Lost upstream (datagrams): 7 records, 1970-01-01 00:00:00Z to 1970-01-01 00:01:01Z."),
        (Loss(SHED, 3, 1, 2, 5, 6), "Let go: 1 record and unknown how many in 2 gaps, 1970-01-01 00:00:00Z."),
    ],
)
def test_what_was_lost_is_told(loss: Loss, told: str) -> None:
    """Why, how many, from when to when; and the verdict does not say that nothing was lost."""
    shown = Evidence("a source", "append", None, 1, 0, 0, Counts(5, 4, shed=1), 4, (loss,))

    lines = list(pipeline_report._evidence(Ending(Outcome("completed", ""), shown), []))

    assert f" {told}" in lines
    assert " 5 records received: 4 stored, 1 shed." in lines
    assert lines[-1] == "Complete but for what is said to be lost: of what was received nothing is lost, nothing twice."
