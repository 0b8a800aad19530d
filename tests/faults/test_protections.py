"""Every protection is seen to be needed: with it its check holds, without it the same check fails."""

from __future__ import annotations

import pytest

from tests.faults.protections import PROTECTIONS, Check, Protection

CHECKS = list(dict.fromkeys(protection.check for protection in PROTECTIONS))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_a_check_holds(check: Check, database_url: str) -> None:
    """With every protection in place the check passes."""
    await check(database_url)


@pytest.mark.parametrize("protection", PROTECTIONS, ids=lambda protection: protection.name)
async def test_a_check_fails_without_its_protection(protection: Protection, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one protection taken out its check fails, so the check can fail and the protection is needed."""
    protection.take_out(monkeypatch)

    with pytest.raises((AssertionError, pytest.fail.Exception)):
        await protection.check(database_url)
