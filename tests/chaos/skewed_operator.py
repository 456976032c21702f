"""The operator with a name of its own and wrong clocks: ``python -m tests.chaos.skewed_operator run …``.

``CHAOS_NAME`` goes into its user agent, so that the audit log tells operators apart. Its time of day is ahead
by ``CHAOS_SKEW_SECONDS`` for a few seconds, then behind by as much, and so on. Its steady clock began at
another time than those of others, as it does on another machine.
"""

from __future__ import annotations

import datetime
import os
import time

from model_operator import __version__
from model_operator.kube import clock

TURN_SECONDS = 5.0


def skew(name: str, seconds: float) -> None:
    """Make the clocks of this process wrong; to be called before anything takes them over."""
    right_time, right_steady = clock.utc_now, time.clock_gettime

    def utc_now() -> datetime.datetime:
        is_ahead = time.monotonic() // TURN_SECONDS % 2
        return right_time() + datetime.timedelta(seconds=seconds if is_ahead else -seconds)

    def clock_gettime(which: int) -> float:
        return right_steady(which) + 10 * seconds

    vars(clock)["utc_now"] = utc_now
    vars(time)["clock_gettime"] = clock_gettime
    from model_operator.kube import connection  # noqa: PLC0415 -- it takes the clocks over

    vars(connection)["__version__"] = f"{__version__} {name}"


if __name__ == "__main__":
    skew(os.environ["CHAOS_NAME"], float(os.environ["CHAOS_SKEW_SECONDS"]))
    from model_operator.cli.main import main

    main()
