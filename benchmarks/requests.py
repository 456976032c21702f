"""What the operator, or the bare client in its place, has asked of the API server, from the audit log."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from benchmarks.client import BenchError
from tests.cluster.audit import audit_event

if TYPE_CHECKING:
    from pathlib import Path

_AGENT = "model-operator/"
_POLL_SECONDS = 0.2
_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_QUESTION = "ask "
"""Begins what is counted as a read though it is sent like a write: nothing is stored."""
_APART = frozenset({"events", "leases"})
"""Counted by themselves: neither is work on an instance that anybody waits for."""


class Requests:
    """The operator's requests, read as they are logged.

    Parameters
    ----------
    log
        The audit log, with reads.
    """

    def __init__(self, log: Path) -> None:
        self._file = log.open()
        self._partial = ""
        self._events: list[dict[str, Any]] = []
        self._work = self._posted = 0

    def close(self) -> None:
        """Close the log."""
        self._file.close()

    def read(self) -> None:
        """Take in what has been logged since."""
        *lines, self._partial = (self._partial + self._file.read()).split("\n")
        events = (audit_event(line) for line in lines)
        ours = [event for event in events if event["agent"].startswith(_AGENT)]
        self._events += ours
        for event in ours:
            self._posted += event["resource"] == "events"
            self._work += event["resource"] not in _APART and event["verb"] != "watch"

    async def settled(self, quiet: float, seconds: float, *, with_events: bool = False) -> None:
        """Wait until for `quiet` seconds there has been no request, but for leases, and Events unless wanted.

        Raises
        ------
        BenchError
            When that is not so within `seconds`.
        """
        loop = asyncio.get_running_loop()
        deadline, count, since = loop.time() + seconds, -1, loop.time()
        while loop.time() - since < quiet:
            await asyncio.sleep(_POLL_SECONDS)
            self.read()
            now = self._work + (self._posted if with_events else 0)
            if now != count:
                count, since = now, loop.time()
            if loop.time() > deadline:
                raise BenchError(f"the operator still sends requests after {seconds:g} s")

    def counts(self, since: str) -> dict[str, int]:
        """Count by verb and resource, such as ``patch deployments``, what was asked after a time.

        Watches are left out: they are asked for by time, not by work.
        """
        self.read()
        counted = Counter(
            f"{_QUESTION if _is_question(event) else ''}{event['verb']} {event['resource']}"
            for event in self._events
            if event["time"] >= since and event["verb"] != "watch"
        )
        return dict(sorted(counted.items()))

    def times(self, since: str, verb: str, resource: str) -> list[datetime]:
        """Give when requests of one kind were received after a time, in order."""
        self.read()
        return sorted(
            datetime.fromisoformat(event["received"])
            for event in self._events
            if event["time"] >= since and (event["verb"], event["resource"]) == (verb, resource)
        )

    def written(self, since: str) -> list[tuple[str, str]]:
        """Give resource and name of each write after a time, Events and leases left out."""
        self.read()
        return [
            (event["resource"], event["name"])
            for event in self._events
            if event["time"] >= since
            and event["verb"] in _WRITES
            and event["resource"] not in _APART
            and not _is_question(event)
        ]

    def failures(self, since: str) -> dict[str, int]:
        """Count by status code what was refused after a time."""
        self.read()
        counted = Counter(
            str(event["code"]) for event in self._events if event["time"] >= since and event["code"] >= 400
        )
        return dict(sorted(counted.items()))


def _is_question(event: dict[str, Any]) -> bool:
    """Tell whether the server was only to judge: dry-runs, and reviews of rights."""
    return "dryRun=All" in event["query"] or event["resource"].endswith("accessreviews")


def timestamp() -> str:
    """Give the time as the audit log writes it, so that texts compare as times do."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def split(counts: dict[str, int]) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """Split counts into writes, reads, and what is counted apart: Events and leases."""
    writes: dict[str, int] = {}
    reads: dict[str, int] = {}
    apart: dict[str, int] = {}
    for what, count in counts.items():
        verb, _, resource = what.partition(" ")
        target = apart if resource in _APART else writes if verb in _WRITES else reads
        target[what] = count
    return writes, reads, apart
