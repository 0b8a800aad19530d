"""Stealing and climbing against fixed partitions, on a simulated clock with the API's published latency law.

    .venv/bin/python benchmarks/stealing.py [--events 3000000] [--sets 9] [--only "static,stealing"] [--json]

3,000,000 events of thirty days whose volumes are lognormal, 5,000 a page; with n requests in flight when it starts, a page takes
5 + 0.95 n seconds. Times run from the first request to the last row, planning included, proof not; the proof is made each time and has to
hold. `docs/performance.md` has the results, `paced.py` says what is real in it.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from unittest.mock import patch

from paced import PAGE, Budget, Dataset, Law, PacedSession, TallySink, light_page, published, thrashing
from penstock.engine.checkpointed import checkpointed
from penstock.engine.run import EngineSettings
from penstock.engine.tasks import Task
from penstock.engine.telemetry import Telemetry
from penstock.extract.address import Address
from penstock.extract.api import EventsApi
from penstock.extract.proof import Proof, prove
from penstock.extract.settings import ExtractSettings
from penstock.extract.source import EventSource
from penstock.model.metrics import Counters
from penstock.ports.checkpoints import Outcome, Pipeline
from penstock.ports.source import Progress
from penstock.reliability.climb import Climb, ClimbSettings
from penstock.stores.http.client import Client
from penstock.stores.http.lane import Lane
from penstock.stores.memory import MemoryCheckpoints
from penstock.testing.clock import clock, simulated

HIDDEN = (200, 300.0)
PINNED = (8, 12, 16, 20, 24, 32, 40)


@dataclass(frozen=True)
class Way:
    """How it is read: the settings of the command; `pinned` keeps so many requests in flight and steals all the same."""

    settings: ExtractSettings
    law: Law = published
    hidden: bool = False
    stated: bool = False
    pinned: int | None = None

    @property
    def in_flight(self) -> ClimbSettings:
        """As the settings have it, unless pinned."""
        return self.settings.in_flight if self.pinned is None else ClimbSettings.pinned(self.pinned)

    def budget(self) -> Budget | None:
        """Of the server."""
        if self.hidden:
            return Budget(*HIDDEN, stated=False)
        return Budget(10, 60.0, stated=True) if self.stated else None


@dataclass(frozen=True)
class Measured:
    """One run: seconds to the last row and to the end of the proof, requests to either, what the server refused, and what was proven."""

    seconds: float
    proof_seconds: float
    requests: int
    proof_requests: int
    refused: int
    most_in_flight: int
    stretches: int
    complete: bool
    twice: int


@dataclass
class Reading:
    """One run over one data set, in simulated time."""

    way: Way
    dataset: Dataset
    proof: Proof | None = field(default=None, init=False)

    async def measured(self) -> Measured:
        """Run it."""
        paced = PacedSession(self.dataset, self.way.law, self.way.budget(), self.way.settings.batch_size)
        settings, address = self.way.settings, Address("http://paced.example", "key")
        client = Client(address.events.origin(), paced.session, Counters.zero())
        api = EventsApi(address, client, lane=Lane(climb=Climb(self.way.in_flight)))
        source = EventSource(api, "paced", settings.partition_count, settings.batch_size, stealing=not settings.fixed)
        sink, telemetry, pipeline = TallySink(self.dataset), Telemetry(clock=clock), Pipeline("paced", "paced")
        at_proof = 0

        async def conclude(done: Progress) -> Outcome:
            nonlocal at_proof
            at_proof = paced.requests
            self.proof = await prove(done, source, sink.census, pipeline.name)
            return Outcome("completed" if self.proof.complete else "failed", "; ".join(self.proof.faults))

        destination = checkpointed(sink, MemoryCheckpoints(clock=clock))
        await Task(pipeline, source, destination, EngineSettings(workers=settings.workers), telemetry, conclude).perform()
        assert self.proof is not None
        status = telemetry.status()
        return Measured(
            seconds=status.seconds,
            proof_seconds=status.proof_seconds,
            requests=at_proof,
            proof_requests=paced.requests - at_proof,
            refused=paced.refused,
            most_in_flight=paced.most_in_flight,
            stretches=len(self.proof.parts),
            complete=self.proof.complete,
            twice=sink.twice,
        )


def measured(way: Way, dataset: Dataset) -> Measured:
    """One run, with bodies of numbers that are read as pages."""
    with patch("penstock.extract.api.page", light_page(dataset)):
        return simulated(Reading(way, dataset).measured)


def static(partitions: int, page: int) -> ExtractSettings:
    """So many partitions, as they were cut at the beginning."""
    return ExtractSettings(partition_count=partitions, batch_size=page, fixed=True)


def shared(workers: int, page: int) -> ExtractSettings:
    """So many partitions to begin with, and never more requests at once."""
    return ExtractSettings(partition_count=workers, max_workers=workers, batch_size=page)


def ways(page: int) -> dict[str, Way]:
    """All that is measured."""
    by_itself = ExtractSettings(batch_size=page)
    pinned = {number: ExtractSettings(partition_count=number, batch_size=page) for number in PINNED}
    return {
        "static 8": Way(static(8, page)),
        "stealing 8": Way(shared(8, page)),
        "static 20": Way(static(20, page)),
        "stealing 20": Way(shared(20, page)),
        "by itself": Way(by_itself),
        **{f"pinned {number}": Way(settings, pinned=number) for number, settings in pinned.items()},
        "thrashing by itself": Way(by_itself, law=thrashing),
        **{f"thrashing pinned {number}": Way(settings, law=thrashing, pinned=number) for number, settings in pinned.items()},
        "hidden budget static 20": Way(static(20, page), hidden=True),
        "hidden budget stealing 20": Way(shared(20, page), hidden=True),
        "hidden budget by itself": Way(by_itself, hidden=True),
        "10 a minute stated by itself": Way(by_itself, stated=True),
    }


def main() -> None:
    """Run every way over every data set, and print medians with their smallest and largest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=3_000_000)
    parser.add_argument("--page", type=int, default=PAGE, help="events per page; the law holds for such a page")
    parser.add_argument("--sets", type=int, default=9)
    parser.add_argument("--only", default="", help="beginnings of the names of what to measure, with commas between them")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    datasets = [Dataset.drawn(arguments.events, 1.0, seed) for seed in range(arguments.sets)]
    chosen = {name: way for name, way in ways(arguments.page).items() if name.startswith(tuple(arguments.only.split(",")))}
    found = {name: [measured(way, dataset) for dataset in datasets] for name, way in chosen.items()}
    if arguments.json:
        print(json.dumps({name: [asdict(one) for one in runs] for name, runs in found.items()}))
        return
    for name, runs in found.items():
        print(f"{name:<32}{described(runs)}")
    for line in ratios(found):
        print(line)


def described(runs: list[Measured]) -> str:
    """A line of medians, each with its smallest and largest."""
    return (
        f"{spread([one.seconds / 60 for one in runs])} min  {spread([one.requests for one in runs], '.0f')} requests  "
        f"refused {max(one.refused for one in runs)}  most in flight {max(one.most_in_flight for one in runs)}  "
        f"stretches {max(one.stretches for one in runs)}  proof {spread([one.proof_seconds for one in runs], '.0f')} s  "
        f"proven {sum(one.complete and not one.twice for one in runs)}/{len(runs)}"
    )


def ratios(found: Mapping[str, list[Measured]]) -> Iterator[str]:
    """What the goals speak of, as far as it was measured."""
    for stealing, fixed in (("stealing 8", "static 8"), ("stealing 20", "static 20"), ("by itself", "static 8")):
        if stealing in found and fixed in found:
            yield compared(stealing, fixed, found)
    for prefix in ("", "thrashing "):
        pinned = [name for name in found if name.startswith(f"{prefix}pinned")]
        if pinned and f"{prefix}by itself" in found:
            yield compared(f"{prefix}by itself", min(pinned, key=lambda name: middle(found[name])), found)
    for name, runs in found.items():
        if name.startswith("hidden"):
            windows = [math.ceil(one.seconds / HIDDEN[1]) for one in runs]
            allowed = [math.ceil(one.requests / HIDDEN[0]) for one in runs]
            yield f"{name}: {min(windows)}-{max(windows)} windows of {HIDDEN[1]:.0f} s; its requests need {min(allowed)}-{max(allowed)}"


def compared(one: str, other: str, found: Mapping[str, list[Measured]]) -> str:
    """A ratio of medians, and the ratios of the single data sets."""
    paired = [mine.seconds / theirs.seconds for mine, theirs in zip(found[one], found[other], strict=True)]
    return f"{one} / {other}: {middle(found[one]) / middle(found[other]):.3f} of the medians; by data set {spread(paired, '.3f')}"


def middle(runs: list[Measured]) -> float:
    """Median of the seconds."""
    return statistics.median(one.seconds for one in runs)


def spread(values: Sequence[float], shape: str = ".2f") -> str:
    """Median (smallest-largest)."""
    return f"{statistics.median(values):{shape}} ({min(values):{shape}}-{max(values):{shape}})"


if __name__ == "__main__":
    main()
