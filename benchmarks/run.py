"""Measures the operator against the API server's own limit: ``make bench``, ``make bench-large``.

It prints tables and the verdict on each aim, and with ``--record`` writes ``docs/performance.json``, from
which ``make docs`` makes the tables of ``docs/performance.md``. Numbers of instances that were recorded
before and are not measured this time are shown, too, with their day and commit; ``--alone`` drops them. The
exit status is 1 when an aim is missed by what was measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from benchmarks import report
from benchmarks.aims import verdicts
from benchmarks.client import reported
from benchmarks.distribution import written
from benchmarks.scenarios import LARGE, LEFT_OUT, STEPS, Bench, usual_steps
from benchmarks.usage import commit, machine
from benchmarks.webhook import measure_all
from hack.build.toolset import MODULE, kubernetes_version
from model_operator import __version__
from tests.cluster.interrupts import stop_on_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


async def measure(
    sizes: Sequence[int],
    steps: Sequence[str] | None,
    *,
    webhook: bool,
    keep: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """Measure all sizes, step by step, and the webhooks; give the results as they are written.

    Parameters
    ----------
    sizes
        Numbers of instances.
    steps
        What is measured of each; None for what is usual.
    webhook
        Whether the webhooks are measured, too.
    keep
        Called with the results so far after each step, so that a later failure loses none of them.
    """
    begin = time.monotonic()
    results: dict[str, Any] = {
        "time": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": commit(),
        "version": __version__,
        "kubernetes": kubernetes_version((MODULE / "go.mod").read_text()),
        "machine": machine(),
        "sizes": {},
    }
    for size in sizes:

        def tell(what: str, size: int = size) -> None:
            print(f"{time.monotonic() - begin:6.0f} s  {size:,} instances: {what}", flush=True)

        def note(figures: dict[str, Any], size: int = size) -> None:
            recorded = {name: results[name] for name in ("time", "commit")}
            results["sizes"][str(size)] = {**recorded, **figures}
            keep(results)

        async with Bench(size) as bench:
            await bench.run(tell, usual_steps(size) if steps is None else steps, note)
    if webhook:
        print(f"{time.monotonic() - begin:6.0f} s  webhooks", flush=True)
        results["webhook"] = await asyncio.to_thread(measure_all)
    return results


def merged(results: dict[str, Any], *, alone: bool = False) -> dict[str, Any]:
    """Give the results together with what was recorded before of other sizes.

    All figures of a size are of one run, since its steps are compared with each other.

    Parameters
    ----------
    results
        Of this run.
    alone
        Whether other sizes are left out, so that all columns are of one operator.
    """
    before = json.loads(report.RESULTS.read_text()) if report.RESULTS.exists() else {}
    others = {} if alone else before.get("sizes", {})
    return {**before, **results, "sizes": {**others, **results["sizes"]}}


def main() -> int:
    """Measure, show, and record; give the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("sizes", type=int, nargs="*", help="numbers of instances; none for webhooks alone")
    parser.add_argument("--record", action="store_true", help="write docs/performance.json")
    parser.add_argument("--without-webhooks", action="store_true", help="leave the webhooks out")
    parser.add_argument("--alone", action="store_true", help="drop what was recorded of other numbers")
    parser.add_argument(
        "--steps",
        nargs="+",
        choices=STEPS,
        help=f"measure only these; by default all, but from {LARGE:,} on not {' and '.join(LEFT_OUT)}",
    )
    arguments = parser.parse_args()
    wanted = set(arguments.steps or STEPS)
    if "create" not in wanted and wanted - {"ceiling", "replay"}:
        parser.error("every step but ceiling and replay needs create.")
    stop_on_signals()

    def keep(results: dict[str, Any]) -> None:
        if arguments.record:
            report.RESULTS.write_text(written(merged(results, alone=arguments.alone)))

    webhook = not arguments.without_webhooks
    results = reported(
        lambda: asyncio.run(measure(arguments.sizes, arguments.steps, webhook=webhook, keep=keep))
    )
    if results is None:
        return 1
    keep(results)
    report.show(merged(results, alone=arguments.alone))
    if arguments.record:
        print(f"Recorded in {report.RESULTS.name}; `make docs` puts it into docs/performance.md.")
    return int(any(verdict.met is False for verdict in verdicts(results)))


if __name__ == "__main__":
    sys.exit(main())
