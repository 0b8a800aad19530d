"""What follows from what a proof found."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from penstock.extract.proof import Part, Proof, Seam
from penstock.model.counts import Counts

UPPER = Part(low=50, high=100, received=10, stored=9, duplicate=0, refused=1, in_table=9)
LOWER = Part(low=0, high=50, received=5, stored=5, duplicate=0, refused=0, in_table=5)
SEAM = Seam(50, "51 a", "49 b", holds=True)
PROOF = Proof("host", total=15, later_total=17, gaps=0, outside=0, dead_letters=1, parts=(UPPER, LOWER), seams=(SEAM,))


def test_complete() -> None:
    """Nothing speaks against it: no gap, and the counts agree with each other, the table and the API; newer events are told of."""
    assert (PROOF.complete, PROOF.faults, PROOF.newer) == (True, [], 2)
    assert PROOF.sums == Counts(received=15, stored=14, refused=1)


@pytest.mark.parametrize(
    ("proof", "said"),
    [
        (replace(PROOF, gaps=1), "1 stretches are not stored"),
        (replace(PROOF, outside=3), "3 rows of the table"),
        (replace(PROOF, dead_letters=0), "1 events were refused, 0 are among the dead letters"),
        (replace(PROOF, dead_letters=2), "1 events were refused, 2 are among the dead letters"),
        (replace(PROOF, total=None, later_total=None), "the API stated no total"),
        (replace(PROOF, total=16), "15 events are accounted for, the API states 16"),
        (replace(PROOF, total=14), "15 events are accounted for, the API states 14"),
        (replace(PROOF, seams=(replace(SEAM, holds=False),)), "at 50 the API has 51 a before 49 b, the table has not"),
        (replace(PROOF, parts=(replace(UPPER, in_table=8), LOWER)), "50 to 100"),
        (replace(PROOF, parts=(replace(UPPER, in_table=10), LOWER)), "50 to 100"),
        (replace(PROOF, parts=(UPPER, replace(LOWER, received=6))), "0 to 50"),
        (replace(PROOF, parts=(UPPER, replace(LOWER, stored=4, refused=1))), "0 to 50"),
        (replace(PROOF, parts=(UPPER, replace(LOWER, stored=4, duplicate=1, in_table=4))), "0 to 50"),
        (replace(PROOF, parts=(UPPER, replace(LOWER, stored=6, in_table=6))), "0 to 50"),
    ],
)
def test_not_complete(proof: Proof, said: str) -> None:
    """Each thing that speaks against it is said, and the proof fails by it alone."""
    assert not proof.complete
    assert said in proof.faults[0]


def test_compensating_faults() -> None:
    """One row too many in one stretch and one too few in another do not cancel out."""
    proof = replace(PROOF, parts=(replace(UPPER, in_table=10), replace(LOWER, in_table=4)))

    assert len(proof.faults) == 2


@pytest.mark.parametrize(("total", "later"), [(15, 15), (15, None), (None, 20), (None, None)])
def test_nothing_newer(total: int | None, later: int | None) -> None:
    """Newer events are told of only where two totals say so."""
    assert replace(PROOF, total=total, later_total=later).newer == 0


def test_as_json() -> None:
    """It can be printed as JSON, with the conclusions."""
    read = json.loads(json.dumps(replace(PROOF, gaps=2).as_json()))

    assert (read["complete"], read["newer"], read["total"], read["gaps"], read["outside"]) == (False, 2, 15, 2, 0)
    assert read["faults"] == ["2 stretches are not stored"]
    assert read["parts"][0]["in_table"] == 9
    assert read["seams"] == [{"at": 50, "newer": "51 a", "older": "49 b", "holds": True}]
