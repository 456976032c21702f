"""Whether the operator still receives events: kopf may lose a watch without noticing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence

from model_operator.controller.scope import Scope
from model_operator.kube.resources import ResourceKind

_RESYNCS = 2
_GRACE_SECONDS = 60.0
WATCHER = "watcher for "
"""Prefix of the names of kopf's watching tasks."""


class WatchLiveness:
    """Judges the watches by their tasks and by the age of the last heartbeat.

    Parameters
    ----------
    kinds, scope
        The watched kinds and namespaces.
    resync_seconds
        Time between two resyncs.
    clock
        Seconds from any start, never going back.
    """

    def __init__(
        self,
        kinds: Sequence[ResourceKind],
        scope: Scope,
        resync_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watchers = {kind: len(scope.namespaces_of(kind)) for kind in kinds}
        # Two resyncs may fail during an upgrade of the API server; a third failure is a reason to restart.
        self._limit = _RESYNCS * resync_seconds + _GRACE_SECONDS
        self._clock = clock
        self._last_heartbeat = clock()
        # kopf discovers the API's resources before it watches.
        self._watched_by = math.inf

    def begin(self) -> None:
        """Note that kopf has started: within the grace period it must watch everything."""
        self._watched_by = self._clock() + _GRACE_SECONDS

    def heartbeat(self) -> None:
        """Note an event from the API server, or a successful resync."""
        self._last_heartbeat = self._clock()

    def failure(self, tasks: Iterable[str]) -> str | None:
        """Return a problem that only a restart solves; None without one.

        Parameters
        ----------
        tasks
            Names of the running tasks.
        """
        unwatched = self._unwatched(tasks)
        if unwatched is None:
            self._watched_by = self._clock()
        elif self._clock() >= self._watched_by:
            return f"{unwatched} are no longer watched"
        silence = self._clock() - self._last_heartbeat
        if silence > self._limit:
            return f"no events from the API server for {silence:.0f} s and resync failed"
        return None

    def _unwatched(self, tasks: Iterable[str]) -> ResourceKind | None:
        """Return a kind with fewer watchers than served namespaces; None when there is none."""
        names = [name for name in tasks if name.startswith(WATCHER)]
        for kind, count in self._watchers.items():
            if sum(name.startswith(f"{WATCHER}{kind.plural}.") for name in names) < count:
                return kind
        return None
