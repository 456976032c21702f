"""Watching a namespace without missing a version."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

from tests.cluster.waiting import wait_for
from tests.life.history import History, Version

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from tests.cluster.kube_api import KubeApi, Object

KINDS = ("ModelInstance", "ModelTemplate", "Deployment", "Service")
FLEET_KINDS = (*KINDS, "ModelTemplateRevision")
"""For the rules of roll-outs (`tests.life.moves`)."""
_WATCH_SECONDS = 1


class Recorder:
    """Writes down every version of the objects of a namespace, from its start on; a context manager.

    Parameters
    ----------
    api
        A client for the namespace.
    kinds
        The kinds of the objects.
    has_present
        Whether the first versions are those of the objects that are there already.

    Attributes
    ----------
    start
        The revision from which on no version is missing.
    """

    def __init__(self, api: KubeApi, kinds: Sequence[str] = KINDS, *, has_present: bool = False) -> None:
        self._api = api
        self._kinds = kinds
        self._history = History()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._error: Exception | None = None
        self._changed = time.monotonic()
        starts: dict[str, str] = {}
        for kind in kinds:
            starts[kind], present = api.revision(kind)
            for obj in present if has_present else ():
                # Items of a list come without their kind.
                self._add(kind, {"type": "ADDED", "object": {**obj, "kind": kind}})
        self.start = max(map(int, starts.values()))
        self._threads = [
            threading.Thread(target=self._record, args=item, daemon=True) for item in starts.items()
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        """Give the recorder itself."""
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """End the watches."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def removing(self, uid: str) -> None:
        """Note that the story deletes a child itself."""
        with self._lock:
            self._history.removed.add(uid)

    def changed(self, child: Object) -> None:
        """Note that the story has written this version of a child itself."""
        with self._lock:
            self._history.by_hand.add(_revision(child))

    def history(self) -> History:
        """Give what was recorded, at least all that the API server has now."""
        copy = History()
        copy.whole_until = min(self._catch_up(kind) for kind in self._kinds)
        with self._lock:
            copy.removed = set(self._history.removed)
            copy.by_hand = set(self._history.by_hand)
            for version in self._history.versions:
                copy.add(version)
        return copy

    def silence(self) -> float:
        """Give the seconds for which nothing has happened."""
        return time.monotonic() - self._changed

    def _catch_up(self, kind: str) -> int:
        listed, items = self._api.revision(kind)
        there = {item["metadata"]["name"]: _revision(item) for item in items}

        def caught_up() -> bool:
            if self._error is not None:
                raise self._error
            with self._lock:
                names = [*there, *self._history.names(kind)]
                return all(self._knows(kind, name, there.get(name), int(listed)) for name in names)

        wait_for(caught_up, message=f"the watch of {kind} has come to {listed}")
        return int(listed)

    def _knows(self, kind: str, name: str, revision: int | None, listed: int) -> bool:
        versions = self._history.of(kind, name)
        last = versions[-1] if versions else None
        if last is None:
            return revision is None
        if last.revision > listed:
            return True
        return last.gone if revision is None else last.revision >= revision

    def _record(self, kind: str, since: str) -> None:
        try:
            while not self._stopped.is_set():
                for event in self._api.watch(kind, since, seconds=_WATCH_SECONDS):
                    since = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] != "BOOKMARK":
                        self._add(kind, event)
                    if self._stopped.is_set():
                        return
        except Exception as error:  # noqa: BLE001 -- told to whoever asks for the history
            self._error = error

    def _add(self, kind: str, event: Object) -> None:
        obj, now = event["object"], time.monotonic()
        version = Version(
            _revision(obj), now, kind, obj["metadata"]["name"], obj, gone=event["type"] == "DELETED"
        )
        with self._lock:
            self._history.add(version)
            self._changed = now


def _revision(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])
