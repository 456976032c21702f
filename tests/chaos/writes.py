"""What was written to the API server, read from its audit log while that grows."""

from __future__ import annotations

import itertools
import os
import time
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any

from tests.cluster.audit import audit_event
from tests.cluster.cluster import OPERATOR_USER

if TYPE_CHECKING:
    from io import TextIOWrapper
    from pathlib import Path

REMEMBERED = 40
# Events tell of what was done; repeats of one come up to ten seconds later, in one write. What is asked about
# rights is stored nowhere.
NOT_COUNTED = frozenset({"events", "selfsubjectaccessreviews"})


class Writes:
    """Follows the audit log, over its rotation too.

    Parameters
    ----------
    log
        The file.

    Attributes
    ----------
    operators
        How many writes of operators took effect.
    """

    def __init__(self, log: Path) -> None:
        self.operators = 0
        self._writers: list[tuple[str, str, str]] = []
        self._log = log
        self._file: TextIOWrapper | None = None
        self._rest = ""
        self._recent: list[str] = []
        self._last = time.monotonic()
        self._histories: defaultdict[tuple[str, str], deque[str]] = defaultdict(
            lambda: deque(maxlen=REMEMBERED)
        )

    def read(self) -> list[str]:
        """Take in what is new; give the operators' writes that took effect, one line each."""
        lines: list[str] = []
        for line in self._new_lines():
            event = audit_event(line)
            told = _line(event)
            self._histories[event["namespace"], event["name"]].append(told)
            if _counts(event):
                lines.append(told)
                self._writers.append((event["received"], event["agent"], told))
        if lines:
            self.operators += len(lines)
            self._last = time.monotonic()
        return lines

    def start_over(self) -> None:
        """Take whoever writes next for the first one."""
        self.read()
        self._writers.clear()

    @property
    def handovers(self) -> list[str]:
        """The writes that were by another operator than the one before; they differ by their user agents.

        They are in the order in which the API server took them in: what it has, it may carry out much later.
        Under faults it has created Services twelve seconds after it was asked to.
        """
        sent = itertools.pairwise(sorted(self._writers))
        return [
            f"{told}, taken in at {received}, by {agent}"
            for (_, before, _), (received, agent, told) in sent
            if agent != before
        ]

    def quiet_seconds(self) -> float:
        """Give for how long no operator has written anything."""
        self.read()
        return time.monotonic() - self._last

    def history(self, namespace: str, names: set[str]) -> list[str]:
        """Give the last writes of anybody to the objects of these names, the oldest first."""
        return sorted(line for name in names for line in self._histories.get((namespace, name), ()))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _new_lines(self) -> list[str]:
        if self._file is None:
            self._file = self._log.open()
        text = self._rest + self._file.read()
        if self._log.stat().st_ino != _inode(self._file):
            # The rest of the old file, before the new one.
            text += self._file.read()
            self._file.close()
            self._file = self._log.open()
            text += self._file.read()
        *lines, self._rest = text.split("\n")
        return lines


def _inode(file: TextIOWrapper) -> int:
    return os.fstat(file.fileno()).st_ino


def _counts(event: dict[str, Any]) -> bool:
    return (
        event["user"] == OPERATOR_USER
        and event["code"] < 300
        and event["resource"] not in NOT_COUNTED
        and "dryRun=All" not in event["query"]
    )


def _line(event: dict[str, Any]) -> str:
    who = event["user"].rpartition(":")[2]
    what = f"{event['verb']} {event['resource']} {event['namespace']}/{event['name']}"
    return f"{event['time']} {who} {what} → {event['code']}"
