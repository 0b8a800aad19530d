"""What was answered by a log is there, and no place is used twice, on a disk that loses power, fails and fills up."""

from __future__ import annotations

from random import Random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.conftest import LONG
from tests.faults.queue_voyage import FAULTS, LANES, Plan, Voyage, sail_roughly

plans = st.lists(
    st.tuples(st.integers(0, LANES - 1), st.integers(1, 4), st.sampled_from([0, 10, 300, 900]), st.booleans(), st.booleans()),
    min_size=1,
    max_size=3,
)


class PowerCuts(RuleBasedStateMachine):
    """Appending, reading, releasing, among failures and power cuts."""

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        """An empty folder."""
        self.voyage = Voyage(Random(seed))

    @rule(plan=plans)
    def append(self, plan: list[Plan]) -> None:
        """A group."""
        self.voyage.append(plan)

    @rule(call=st.sampled_from(sorted(FAULTS)), which=st.integers(0, 1), plan=plans)
    def fail(self, call: str, which: int, plan: list[Plan]) -> None:
        """The disk fails a call, in the middle of a group or whenever it comes to it."""
        self.voyage.disk.failing.append((call, FAULTS[call][which % len(FAULTS[call])]))
        self.voyage.append(plan)

    @rule(lane=st.integers(0, LANES - 1), share=st.floats(0, 1))
    def release(self, lane: int, share: float) -> None:
        """Some of what was read is not needed any more."""
        self.voyage.release(lane, share)

    @rule()
    def kill(self) -> None:
        """What is answered outlives the process."""
        self.voyage.kill()

    @rule()
    def cut(self) -> None:
        """And the power."""
        self.voyage.cut()

    @rule()
    def close(self) -> None:
        """Nothing is lost by closing and opening."""
        self.voyage.close()

    @rule()
    def restore(self) -> None:
        """A restored backup uses no place a second time, and neither does the next one."""
        self.voyage.restore()

    @rule()
    def renew(self) -> None:
        """Begin an epoch."""
        self.voyage.store.renew(bytes(10))

    @rule(room=st.integers(0, 3_000))
    def fill(self, room: int) -> None:
        """The disk is nearly full, until everything is released."""
        self.voyage.fill(room)

    @rule()
    def look(self) -> None:
        """Read everything."""
        self.voyage.disk.failing.clear()
        self.voyage.check()


TestPowerCuts = PowerCuts.TestCase
TestPowerCuts.settings = settings(
    max_examples=2_000 if LONG else 60, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_rough_voyages(seed: int, scale: int) -> None:
    """Where writing and syncing fail again and again, and the process and the power end in between."""
    for number in range(50 * scale):
        try:
            sail_roughly(Random(f"{seed} {number}"))
        except BaseException as error:
            error.add_note(f"drawn from {seed} {number}")
            raise
