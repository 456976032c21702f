"""Measures how fair the operator is: ``make bench-neighbour``.

* **Edits:** one namespace has 200 instances of one template, which is edited ten times a second: each edit
  gives every instance a new pod template.
* **Churn:** one namespace has 5,000 instances, of which one is replaced ten times a second.
* **Contest:** another manager changes a field of one Deployment again, as soon as the operator corrected it.

Another namespace creates instances one after the other: alone, and then in turn beside these instances at
rest and beside edits or churn. In a contest, the operator's CPU time counts, over that of the same time
without it. Each part has a control plane and an operator process of its own, on loopback only.

It prints tables and the verdict on each aim, and with ``--record`` writes
``docs/neighbour-performance.json``, from which ``make docs`` makes the tables of ``docs/performance.md``.
Parts that are left out stay as they were recorded before. The exit status is 1 when an aim is missed by what
was measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from benchmarks.client import reported
from benchmarks.distribution import written
from benchmarks.gateway.aims import verdicts
from benchmarks.neighbour.measures import CHURNED, EDITED, NeighbourBench
from benchmarks.neighbour.report import AIMS, PARTS, RESULTS, show
from benchmarks.usage import commit, machine
from hack.build.toolset import MODULE, kubernetes_version
from model_operator import __version__
from tests.cluster.interrupts import stop_on_signals

if TYPE_CHECKING:
    from collections.abc import Callable


async def measure(arguments: argparse.Namespace, keep: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Measure the parts that are wanted; give the results as they are written.

    `keep` is called with the results so far after each part, so that a later failure loses none of them.
    """
    start = time.monotonic()
    results: dict[str, Any] = {
        "time": datetime.now(UTC).date().isoformat(),
        "version": __version__,
        "kubernetes": kubernetes_version((MODULE / "go.mod").read_text()),
        "machine": machine(),
    }

    def tell(what: str) -> None:
        print(f"{time.monotonic() - start:6.0f} s  {what}", flush=True)

    figures: dict[str, Any] = {}
    for part in arguments.parts or PARTS:
        tell(part)
        count = {"edits": arguments.edited, "churn": arguments.churned, "contest": 0}[part]
        async with NeighbourBench(count) as bench:
            act = {"edits": bench.beside_edits, "churn": bench.beside_churn, "contest": bench.contest}[part]
            figures[part] = {"commit": commit(), **await act(tell)}
        keep({**results, "figures": figures})
    return {**results, "figures": figures}


def record(results: dict[str, Any]) -> None:
    """Write the results, with what was recorded before of other parts."""
    before = json.loads(RESULTS.read_text())["figures"] if RESULTS.exists() else {}
    RESULTS.write_text(written({**results, "figures": {**before, **results["figures"]}}))


def main() -> int:
    """Measure, show and record; give 1 when an aim is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.neighbour", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="measure only these")
    parser.add_argument("--edited", type=int, default=EDITED, help="instances of the edited template")
    parser.add_argument("--churned", type=int, default=CHURNED, help="instances of the churn")
    parser.add_argument("--record", action="store_true", help=f"write docs/{RESULTS.name}")
    arguments = parser.parse_args()
    stop_on_signals()
    keep = record if arguments.record else lambda _: None
    results = reported(lambda: asyncio.run(measure(arguments, keep)))
    if results is None:
        return 1
    show(results)
    if arguments.record:
        print(f"Recorded in {RESULTS.name}; `make docs` puts it into docs/performance.md.")
    return int(any(verdict.is_met is False for verdict in verdicts(results["figures"], AIMS)))


if __name__ == "__main__":
    sys.exit(main())
