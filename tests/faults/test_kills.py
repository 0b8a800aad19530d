"""Whatever is killed, whenever: the next run goes on, and the end is exact."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.simulate.faults import PROFILES
from penstock.simulate.settings import DataSyncSettings
from tests.conftest import LONG
from tests.faults.campaign import Campaign, remove, simulator, verify

LIVE_PER_S, INSERTED = 3_000, 30_000
KILLS = 500 if LONG else 13
EVENTS = 40_000
DATA = ["--ties", "0.2", "--tie-burst", "2500", "--undecodable", "0.002", "--timestamps", "all", "--latency", "0.03"]


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_every_kill_is_survived_exactly(profile: str, seed: int, reachable_folder: Path) -> None:
    """Extractions that lose their process or their database again and again end with exactly the events of the API."""
    settings = DataSyncSettings(
        events=EVENTS, seed=seed, ties=0.2, tie_burst=2_500, undecodable=0.002, timestamps="all", latency_s=0.03, faults=PROFILES[profile]
    )
    with simulator(f"--events={EVENTS}", f"--seed={seed}", "--faults", profile, *DATA) as api:
        campaign = Campaign(reachable_folder, api, seed, ["--batch-size", "250"])
        number = 0
        while sum(campaign.kills.values()) < KILLS:
            result = campaign.extraction(number, most_kills=8)

            assert result["complete"] is True, f"seed {seed}: {result}"
            verify(campaign.home(number), settings)
            remove(campaign.home(number))
            number += 1
    print(f"profile {profile}, seed {seed}: {campaign.kills} in {campaign.runs} runs of {number} extractions")  # noqa: T201


def test_increments_survive_every_kill(seed: int, reachable_folder: Path) -> None:
    """While events come in, runs that are killed again and again are gone on with, one after another, until nothing more comes: exactly."""
    live = [f"--live={LIVE_PER_S}", f"--live-limit={INSERTED}", f"--seed={seed}", "--ties=0.2", "--undecodable=0.002"]
    settings = DataSyncSettings(events=2_000, seed=seed, ties=0.2, undecodable=0.002, live_per_s=LIVE_PER_S, live_limit=INSERTED)
    with simulator("--events=2000", *live) as api:
        campaign = Campaign(reachable_folder, api, seed, ["--batch-size", "250"])
        received = 0
        while received < 2_000 + INSERTED:
            result = campaign.extraction(0, most_kills=3)

            assert result["complete"] is True, f"seed {seed}: {result}"
            assert result["rows_stored"] + result["rejected"] >= received  # type: ignore[operator]
            received = result["rows_stored"] + result["rejected"]  # type: ignore[operator]
        verify(campaign.home(0), settings, INSERTED)
        remove(campaign.home(0))
    print(f"live, seed {seed}: {campaign.kills} in {campaign.runs} runs")  # noqa: T201
