"""Whether the operator still hears of the cluster: kopf may lose a watch and not notice."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence

from model_operator.controller.scope import Scope
from model_operator.kube.resources import ResourceKind

_RESYNCS = 2
_GRACE_SECONDS = 60.0
WATCHER = "watcher for "
"""How the names of kopf's tasks begin that watch."""


class WatchLiveness:
    """Judges by signs of life.

    Parameters
    ----------
    kinds, scope
        What is watched, and where.
    resync_seconds
        Time between two comparisons with the API server.
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
        # Two comparisons may fail while the API server is being upgraded; a third is a reason to start anew.
        self._limit = _RESYNCS * resync_seconds + _GRACE_SECONDS
        self._clock = clock
        self._heard_at = clock()
        # kopf looks at what the API server has before it watches.
        self._watched_by = math.inf

    def begin(self) -> None:
        """Note that kopf has begun: from now on it has some time until it watches everything."""
        self._watched_by = self._clock() + _GRACE_SECONDS

    def heartbeat(self) -> None:
        """Note that the API server has told something."""
        self._heard_at = self._clock()

    def failure(self, tasks: Iterable[str]) -> str | None:
        """Return what only a restart can mend; None when nothing is wrong.

        Parameters
        ----------
        tasks
            Names of the tasks that run.
        """
        unwatched = self._unwatched(tasks)
        if unwatched is None:
            self._watched_by = self._clock()
        elif self._clock() >= self._watched_by:
            return f"{unwatched} are no longer watched"
        silence = self._clock() - self._heard_at
        if silence > self._limit:
            return f"the API server has told nothing for {silence:.0f} s, and could not be asked"
        return None

    def _unwatched(self, tasks: Iterable[str]) -> ResourceKind | None:
        """Return a kind that has fewer watchers than namespaces are served; None when there is none."""
        names = [name for name in tasks if name.startswith(WATCHER)]
        for kind, count in self._watchers.items():
            if sum(name.startswith(f"{WATCHER}{kind.plural}.") for name in names) < count:
                return kind
        return None
