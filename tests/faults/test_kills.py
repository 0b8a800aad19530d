"""Whatever is killed, whenever: the next run goes on, and the end is exact."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.simulate.faults import PROFILES
from penstock.simulate.settings import DataSyncSettings
from tests.conftest import LONG
from tests.faults.campaign import Campaign, remove, simulator, verify

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
        campaign = Campaign(reachable_folder, api, seed, ["--batch-size", "250", "--partition-count", "6"])
        number = 0
        while sum(campaign.kills.values()) < KILLS:
            result = campaign.extraction(number, most_kills=8)

            assert result["complete"] is True, f"seed {seed}: {result}"
            verify(campaign.home(number), settings)
            remove(campaign.home(number))
            number += 1
    print(f"profile {profile}, seed {seed}: {campaign.kills} in {campaign.runs} runs of {number} extractions")  # noqa: T201
