"""Finds a change that made the operator dearer: ``make bench-quick``, about two minutes.

In each of a few rounds the bare client and then the operator create 200 instances. What counts is the least
of all rounds: the operator's requests for an instance, and its CPU time over all CPU time with the bare
client, its own and that of the API server and of etcd, which grows and falls with the speed of the machine as
the operator's does. The exit status is 1 when one of them is a quarter above ``benchmarks/quick.json``, which
``--record`` writes: the means of its rounds.

CPU times are judged on the kinds of processors that the file has a reference of, since Python and Go compare
differently on each, and on a machine that is nearly idle: beside much other load the operator's grow by more
than the API server's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks import objects
from benchmarks.client import reported
from benchmarks.scenarios import Bench
from benchmarks.usage import busy_seconds, load_of_others, machine
from tests.cluster.interrupts import stop_on_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

INSTANCES = 200
ROUNDS = 3
TOLERANCE = 1.25
QUIET_CORES = 0.5
"""How much other processes may use for CPU times to be judged."""
REFERENCE = Path(__file__).with_name("quick.json")


class Round(NamedTuple):
    """What one round gave.

    Attributes
    ----------
    requests
        The operator's for each instance until Ready, without Events.
    operator_seconds, bare_seconds
        CPU time of the operator; of the bare client, the API server and etcd without the operator.
    """

    requests: float
    operator_seconds: float
    bare_seconds: float


class Figures(NamedTuple):
    """What is compared with the reference."""

    requests: float
    cpu_ratio: float


def best(rounds: Sequence[Round]) -> Figures:
    """Give the least requests, and the least ratio of the CPU times of one round."""
    ratio = min(each.operator_seconds / each.bare_seconds for each in rounds)
    return Figures(round(min(each.requests for each in rounds), 3), round(ratio, 3))


def usual(rounds: Sequence[Round]) -> Figures:
    """Give the means of the rounds: a reference that was the least would itself be luck."""
    count = len(rounds)
    ratio = sum(each.operator_seconds / each.bare_seconds for each in rounds) / count
    return Figures(round(sum(each.requests for each in rounds) / count, 3), round(ratio, 3))


def reference_for(references: Mapping[str, Mapping[str, Any]], cpu: str) -> Mapping[str, Any]:
    """Give the reference of a kind of processor; without one, that of another, whose requests compare.

    Parameters
    ----------
    references
        Of each kind of processor, by its name.
    cpu
        The kind.
    """
    return references.get(cpu) or next(iter(references.values()))


def judged(reference: Mapping[str, Any], cpu: str, others: float) -> tuple[str, ...]:
    """Give the names of the figures that are comparable, on a processor beside other load, in cores."""
    is_comparable = reference["machine"]["cpu"] == cpu and others <= QUIET_CORES
    return Figures._fields if is_comparable else ("requests",)


def dearer(figures: Figures, reference: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Give those of the named figures that are a quarter above the reference."""
    measured = figures._asdict()
    return [name for name in names if measured[name] > TOLERANCE * reference[name]]


class QuickBench(Bench):
    """A few rounds of creations by the bare client and by the operator."""

    def __init__(self, count: int = INSTANCES) -> None:
        super().__init__(count, singles=0)

    async def rounds(self, tell: Callable[[str], None], count: int = ROUNDS) -> list[Round]:
        """Measure."""
        rounds: list[Round] = []

        async def act() -> None:
            given = await self._learned()
            for number in range(count):
                async with self._replayed(given) as place:
                    bare = await self._watched(place.create)
                created = await self._created()
                rounds.append(_round(bare, created, self._count))
                tell(f"round {number + 1}: {rounds[-1]}")

        await self._watching(act)
        return rounds

    async def _created(self) -> dict[str, Any]:
        figures = await self._create()
        await self._place.remove_all()
        self._stop_operator()
        await self._send([objects.deletion(objects.template())])
        return figures


def _round(bare: Mapping[str, Any], created: Mapping[str, Any], count: int) -> Round:
    requests = sum(sum(created[kind].values()) for kind in ("writes", "reads")) / count
    programs = ("bare", "kube-apiserver", "etcd")
    return Round(
        requests,
        created["cpu_seconds"]["operator"],
        round(sum(bare["cpu_seconds"][name] for name in programs), 2),
    )


async def measure() -> list[Round]:
    """Run on a control plane of its own."""
    begin = time.monotonic()

    def tell(what: str) -> None:
        print(f"{time.monotonic() - begin:6.0f} s  {what}", flush=True)

    async with QuickBench() as bench:
        return await bench.rounds(tell)


def main() -> int:
    """Measure, and compare with the reference or record it; give the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quick", description=__doc__)
    parser.add_argument("--record", action="store_true", help="write this processor's reference")
    arguments = parser.parse_args()
    stop_on_signals()
    facts, references = machine(), json.loads(REFERENCE.read_text())
    begin, before = time.perf_counter(), busy_seconds()
    rounds = reported(lambda: asyncio.run(measure()))
    if rounds is None:
        return 1
    others = load_of_others(before, time.perf_counter() - begin)
    if arguments.record:
        facts["load_of_others"] = round(others, 2)
        known = {**references, facts["cpu"]: {**usual(rounds)._asdict(), "machine": facts}}
        REFERENCE.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
        return 0
    figures, reference = best(rounds), reference_for(references, facts["cpu"])
    compared = judged(reference, facts["cpu"], others)
    too_dear = dearer(figures, reference, compared)
    print(f"other processes used {others:.2f} cores; CPU times are judged below {QUIET_CORES:g}")
    for name, value in figures._asdict().items():
        verdict = "DEARER" if name in too_dear else "met" if name in compared else "not judged"
        bound = TOLERANCE * reference[name]
        print(f"{name}: {value:g}, reference {reference[name]:g}, at most {bound:.3g}: {verdict}")
    return int(bool(too_dear))


if __name__ == "__main__":
    sys.exit(main())
