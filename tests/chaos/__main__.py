"""``python -m tests.chaos``: the operator under churn and faults; exit status 1 when anything stays wrong."""

from __future__ import annotations

import argparse
import dataclasses
import secrets
import signal
import sys
import time

from tests.chaos.phases import PHASES
from tests.chaos.run import LONG, SHORT, run
from tests.cluster.interrupts import stop_on_signals


def main() -> int:
    """Run what the arguments ask for."""
    names = [phase.name for phase in PHASES]
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--short", action="store_true", help="few instances, short phases")
    parser.add_argument("--seed", default=secrets.token_hex(4), help="repeats a run; by default a new one")
    parser.add_argument("--phase", action="append", choices=names, help="only this one; may be repeated")
    parser.add_argument("--instances", type=int, help="number of instances")
    parser.add_argument("--seconds", type=float, help="length of the faults of a phase")
    given = parser.parse_args()
    stop_on_signals()
    # Whoever ends us has what we started stopped in order.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    extent = SHORT if given.short else LONG
    changes = {key: value for key in ("instances", "seconds") if (value := getattr(given, key)) is not None}
    extent = dataclasses.replace(extent, **changes)
    wanted = given.phase or [phase.name for phase in PHASES if phase.in_short or not given.short]
    phases = [phase for phase in PHASES if phase.name in wanted]
    began = time.monotonic()
    outcomes = run(given.seed, extent, phases, lambda line: print(line, flush=True))
    operations = sum(outcome.operations.total() for outcome in outcomes)
    faults = sum(outcome.faults.total() for outcome in outcomes)
    wrong = sum(outcome.wrong for outcome in outcomes)
    verdict = f"{'FAILED' if wrong else 'passed'}: {wrong} violations"
    print(
        f"{verdict} in {len(phases)} phases; "
        f"{operations} operations, {faults} faults, {time.monotonic() - began:.0f} s"
    )
    repeat = "".join([" --short" if given.short else "", *(f" --phase {phase.name}" for phase in phases)])
    print(f"to repeat: python -m tests.chaos --seed {given.seed}{repeat}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
