"""The link to the database is cut around COMMIT, when nobody knows whether it arrived."""

from __future__ import annotations

from penstock.simulate.datasync import DataSyncSettings
from tests.faults.proxy import bad_link
from tests.faults.scenario import Scenario, wanted


async def test_a_commit_whose_answer_is_lost_is_neither_repeated_nor_forgotten(database_url: str, seed: int, scale: int) -> None:
    """Cut before and after COMMIT again and again, an extraction ends with every event once, and its own counts say the same."""
    scenario = Scenario(database_url, DataSyncSettings(events=10_000 * scale, seed=seed, undecodable=0.002, ties=0.2))

    async with scenario.api() as server, bad_link(database_url, seed, share=0.12) as (url, link):
        extraction = await scenario.extract(server, url=url)

        assert min(link.cut.values()) >= 2, f"seed {seed}: {link.cut}"
        assert extraction.proof is not None
        assert extraction.proof.complete, f"seed {seed}: {extraction.proof.faults}"
        assert await scenario.stored() == wanted(server), f"seed {seed}"
        assert (await scenario.fetch("select count(*) from penstock.dead_letters"))[0][0] == len(server.dataset.refused_ids())
