"""A chaos run: phase by phase churn under faults, then calm, then the checks."""

from __future__ import annotations

import random
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.chaos.checks import Snapshot, Violation, names_of, violations
from tests.chaos.faults import ON_WATCHES, Choice
from tests.chaos.population import NAMESPACES, Name
from tests.chaos.world import World
from tests.life.moves import judge_moves
from tests.life.recorder import FLEET_KINDS, Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.chaos.phases import Phase

SHOWN_VIOLATIONS = 15
SHOWN_HISTORY = 15


@dataclass(frozen=True)
class Extent:
    """How much there is of everything.

    Attributes
    ----------
    instances
        Number of instances.
    rate
        The users' operations in a second.
    seconds
        Length of the faults of a phase.
    settle_seconds
        The time by which all must be as desired, once the faults have ended.
    quiet_seconds
        Without a write of an operator for so long, it is looked whether that is so.
    window_seconds
        The time after that in which nothing at all may be written.
    """

    instances: int
    rate: float
    seconds: float
    settle_seconds: float
    quiet_seconds: float
    window_seconds: float


SHORT = Extent(instances=40, rate=8, seconds=12, settle_seconds=120, quiet_seconds=2, window_seconds=3)
LONG = Extent(instances=200, rate=12, seconds=60, settle_seconds=180, quiet_seconds=4, window_seconds=15)


@dataclass
class Outcome:
    """What a phase came to.

    Attributes
    ----------
    name
        The phase's.
    operations, faults
        What was done, and how often.
    writes
        The operators' writes.
    settled_seconds
        The time from the end of the faults until all was as desired.
    violations
        What was wrong, with the history of the objects, as much of it as is shown.
    wrong
        How much was wrong.
    ends
        The last words of operators that ended by themselves.
    """

    name: str
    operations: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    writes: int = 0
    settled_seconds: float = 0.0
    violations: list[str] = field(default_factory=list)
    wrong: int = 0

    def add(self, texts: list[str]) -> None:
        """Add what is wrong, one text each."""
        room = max(SHOWN_VIOLATIONS - len(self.violations), 0)
        self.violations += texts[:room]
        self.wrong += len(texts)

    ends: list[str] = field(default_factory=list)


def run(seed: str, extent: Extent, phases: Sequence[Phase], say: Callable[[str], None]) -> list[Outcome]:
    """Go through the phases on a control plane of their own.

    After one with violations the operators start anew, so that what is wrong need not be in the next one.
    """
    outcomes = []
    say(f"seed {seed}: {extent.instances} instances, {len(phases)} phases of {extent.seconds:g} s of faults")
    with World(seed, extent.instances) as world:
        began = time.monotonic()
        world.churn.fill()
        world.run_operators(phases[0].operators, phases[0].module)
        first = Outcome("start")
        _settle(world, extent, first, began)
        _report(first, say)
        outcomes.append(first)
        for phase in phases:
            if outcomes[-1].wrong:
                world.stop_operators()
            outcome = _go_through(world, seed, extent, phase)
            _report(outcome, say)
            outcomes.append(outcome)
    return outcomes


def _go_through(world: World, seed: str, extent: Extent, phase: Phase) -> Outcome:
    outcome = Outcome(phase.name)
    world.run_operators(phase.operators, phase.module)
    operations, writes = world.churn.counts.copy(), world.writes.operators
    transitions = world.transitions() if phase.has_lease else 0
    world.writes.start_over()
    world.counts.clear()
    choice = Choice(f"{seed}|{phase.name}", phase.rates)
    source = random.Random(f"{seed}|{phase.name}|acts")
    acts = [act(world, random.Random(source.random())) for act in phase.acts]
    world.proxy.choice = choice
    if phase.rates.keys() & ON_WATCHES:
        # The watches that are open have been let through already.
        world.proxy.cut()
        world.proxy.mend()
    with ExitStack() as stack:
        apis = [world.api.in_namespace(namespace) for namespace in NAMESPACES * phase.is_recorded]
        recorders = [stack.enter_context(Recorder(api, FLEET_KINDS, has_present=True)) for api in apis]
        world.churn.start(extent.rate)
        try:
            _act(world, acts, extent.seconds)
        finally:
            world.proxy.choice = None
            world.churn.end()
        histories = [recorder.history() for recorder in recorders]
    world.revive_nodes()
    world.churn.check()
    ended = time.monotonic()
    for recorder, history in zip(recorders, histories, strict=True):
        outcome.add(judge_moves(history, recorder.start, has_contents=False))
    outcome.operations = world.churn.counts - operations
    outcome.faults = Counter({fault.value: count for fault, count in choice.counts.items()}) + world.counts
    _settle(world, extent, outcome, ended)
    outcome.writes = world.writes.operators - writes
    handovers, changes = world.writes.handovers, world.transitions() - transitions if phase.has_lease else 0
    if phase.has_lease and len(handovers) > changes:
        text = f"two operators wrote at once: {len(handovers)} changes of the writer, {changes} of the Lease"
        outcome.add(["\n    ".join([text, *handovers[-SHOWN_HISTORY:]])])
    outcome.ends = [words for operator in world.operators for words in operator.ends]
    return outcome


def _act(world: World, acts: list[Iterator[float]], seconds: float) -> None:
    end = time.monotonic() + seconds
    due = {number: time.monotonic() + next(act) for number, act in enumerate(acts)}
    while time.monotonic() < end:
        world.tend_for(0.05)
        for number, act in enumerate(acts):
            if due[number] <= time.monotonic() < end:
                due[number] = time.monotonic() + next(act)


def _settle(world: World, extent: Extent, outcome: Outcome, began: float) -> None:
    """Wait until all is as desired and nothing is written any more, and see that it stays so."""
    deadline = time.monotonic() + extent.settle_seconds
    while True:
        world.tend_for(0.5)
        quiet = world.writes.quiet_seconds() >= extent.quiet_seconds
        is_late = time.monotonic() > deadline
        if (quiet and world.are_ready) or is_late:
            snapshot = Snapshot.take(world.api)
            found = violations(snapshot, world.churn.population)
            if not found and quiet:
                break
            if is_late:
                found = found or [Violation(Name("", "operator"), "writes on and on, or is never ready")]
                outcome.add(_with_histories(found, snapshot, world))
                return
            world.tend_for(0.5)
    outcome.settled_seconds = time.monotonic() - began - extent.quiet_seconds
    world.tend_for(extent.window_seconds)
    needless = [f"needless write: {line}" for line in world.writes.read()]
    snapshot = Snapshot.take(world.api)
    again = violations(snapshot, world.churn.population)
    outcome.add(needless + _with_histories(again, snapshot, world))


def _with_histories(found: list[Violation], snapshot: Snapshot, world: World) -> list[str]:
    world.writes.read()
    texts = []
    told: set[Name] = set()
    for violation in found:
        history = []
        if violation.name not in told:
            names = names_of(violation, snapshot)
            history = world.writes.history(violation.name.namespace, names)[-SHOWN_HISTORY:]
        told.add(violation.name)
        where = "/".join(filter(None, violation.name))
        texts.append("\n    ".join([f"{where}: {violation.text}", *history]))
    return texts


def _report(outcome: Outcome, say: Callable[[str], None]) -> None:
    verdict = f"{outcome.wrong} VIOLATIONS" if outcome.wrong else "as desired"
    say(
        f"{outcome.name}: {verdict}, {outcome.settled_seconds:.1f} s after the last fault; "
        f"{outcome.operations.total()} operations, {outcome.faults.total()} faults, {outcome.writes} writes"
    )
    for title, counts in (("operations", outcome.operations), ("faults", outcome.faults)):
        if counts:
            say(f"  {title}: " + ", ".join(f"{count} {name}" for name, count in sorted(counts.items())))
    if outcome.ends:
        last = outcome.ends[-1].splitlines()[-1:]
        say(f"  {len(outcome.ends)} operators ended by themselves and were started again; the last: {last}")
    for text in outcome.violations:
        say(f"  ! {text}")
    if outcome.wrong > len(outcome.violations):
        say(f"  ! and {outcome.wrong - len(outcome.violations)} more")
