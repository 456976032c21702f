"""Simulates an operator with 50,000 instances: ``make bench-simulation``, five minutes at most.

A control plane and an operator make one instance. Then, in a process of its own for each number of instances,
an operator whose API server is in memory gets copies of it and of its children, as after a restart. It prints
a table, and with ``--record`` writes it into ``docs/performance.json``, from which ``make docs`` takes it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.client import BenchError, reported
from benchmarks.distribution import written
from benchmarks.report import RESULTS
from benchmarks.simulation.copies import write_hashes
from benchmarks.simulation.fleet import HASHES, SAMPLE
from benchmarks.simulation.report import KEY, show
from benchmarks.simulation.sample import take_sample
from benchmarks.usage import commit, machine
from tests.cluster.interrupts import stop_on_signals

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZES = (10_000, 50_000)
"""The first is that of ``make bench-large``, so that simulated and measured figures can be compared."""


def simulate(sizes: Sequence[int]) -> dict[str, Any]:
    """Take the sample and simulate each number of instances; give the results as they are written."""
    results = {"time": datetime.now(UTC).date().isoformat(), "commit": commit(), "machine": machine()}
    sample = asyncio.run(take_sample())
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / SAMPLE).write_text(json.dumps(sample.objects))
        write_hashes(sample.objects, max(sizes), Path(folder) / HASHES)
        for size in sizes:
            print(f"{size:,} instances", flush=True)
            command = [sys.executable, "-m", "benchmarks.simulation.fleet", folder, str(size)]
            log = Path(folder) / "log"
            with log.open("wb") as errors:
                done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, text=True, check=False)
            if done.returncode:
                raise BenchError(f"the simulation has failed: {log.read_text()[-2000:]}")
            figures[str(size)] = json.loads(done.stdout)
    return {**results, "bytes": sample.bytes, "sizes": figures}


def main() -> int:
    """Simulate, show and record; give 1 when something fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulation", description=__doc__)
    parser.add_argument("sizes", type=int, nargs="*", default=SIZES, help="numbers of instances")
    parser.add_argument("--record", action="store_true", help=f"write docs/{RESULTS.name}")
    arguments = parser.parse_args()
    stop_on_signals()
    results = reported(lambda: simulate(arguments.sizes))
    if results is None:
        return 1
    show(results)
    if arguments.record:
        recorded = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        RESULTS.write_text(written({**recorded, KEY: results}))
        print(f"Recorded in {RESULTS.name}; `make docs` puts it into docs/performance.md.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
