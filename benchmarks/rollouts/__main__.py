"""Measures roll-outs of template edits in steps: ``make bench-rollouts``.

It prints tables and the verdict on each aim, and with ``--record`` writes
``docs/rollouts-performance.json``, from which ``make docs`` makes the tables of ``docs/performance.md``.
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
from typing import Any

from benchmarks.client import reported
from benchmarks.distribution import written
from benchmarks.gateway.aims import verdicts
from benchmarks.rollouts.decision import decision_ms
from benchmarks.rollouts.measures import PARTS, RolloutBench
from benchmarks.rollouts.report import AIMS, RESULTS, show
from benchmarks.usage import commit, machine
from hack.build.toolset import MODULE, kubernetes_version
from model_operator import __version__
from tests.cluster.interrupts import stop_on_signals


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure the parts that are wanted; give the results as they are written."""
    begin = time.monotonic()
    results: dict[str, Any] = {
        "time": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "version": __version__,
        "kubernetes": kubernetes_version((MODULE / "go.mod").read_text()),
        "machine": machine(),
    }
    figures: dict[str, Any] = {"decision_ms": decision_ms(arguments.instances)}
    if arguments.parts:

        def tell(what: str) -> None:
            print(f"{time.monotonic() - begin:6.0f} s  {what}", flush=True)

        async with RolloutBench(arguments.instances, arguments.edits) as bench:
            figures |= await bench.measure(tell, arguments.parts)
    return {**results, "figures": figures}


def main() -> int:
    """Measure, show and record; give 1 when an aim is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rollouts", description=__doc__)
    parser.add_argument("--instances", type=int, default=1000)
    parser.add_argument("--edits", type=int, default=10_000, help="of the template with many revisions")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS, help="measure only these")
    parser.add_argument("--record", action="store_true", help=f"write docs/{RESULTS.name}")
    arguments = parser.parse_args()
    stop_on_signals()
    results = reported(lambda: asyncio.run(measure(arguments)))
    if results is None:
        return 1
    show(results)
    if arguments.record:
        before = json.loads(RESULTS.read_text())["figures"] if RESULTS.exists() else {}
        recorded = {**results, "figures": {**before, **results["figures"]}}
        RESULTS.write_text(written(recorded))
        print(f"Recorded in {RESULTS.name}; `make docs` puts it into docs/performance.md.")
    return int(any(verdict.is_met is False for verdict in verdicts(results["figures"], AIMS)))


if __name__ == "__main__":
    sys.exit(main())
