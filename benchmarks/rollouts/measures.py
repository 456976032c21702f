"""What is measured of roll-outs in steps, in order, on a control plane of its own.

As in `benchmarks.scenarios` there are no nodes and no controllers, and a stage marks Deployments rolled out.
"""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

from benchmarks import objects
from benchmarks.distribution import percentiles
from benchmarks.objects import BATCHES, NAMESPACE
from benchmarks.place import is_ready
from benchmarks.requests import timestamp
from benchmarks.scenarios import Bench
from benchmarks.setting import SETTLED_QUIET_SECONDS, Figures
from benchmarks.stage import Watch
from benchmarks.usage import usage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from benchmarks.objects import Object

PARTS = ("at_once", "sliding", "policy", "batches", "restart", "revisions")
"""What is measured after the instances have been created, in this order."""
HISTORY_LIMIT = 10
"""The built-in default of ``revision_history_limit``."""
_EDITED = "edited"
"""Name of the template of the many edits."""
_STORED_SECONDS = 30.0


class RolloutBench(Bench):
    """One run; a context manager that starts and stops what it takes.

    Parameters
    ----------
    count
        The number of instances of the template that rolls out.
    edits
        The number of edits of a second template.
    """

    def __init__(self, count: int, edits: int) -> None:
        super().__init__(count, singles=0)
        # An edit in steps takes several times as long as one that reaches all instances at once.
        self._limit *= 4
        self._edits = edits
        self._stored: dict[str, float] = {}
        self._is_stored = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Start the control plane and the watches."""
        await super().__aenter__()
        self._revisions = Watch(self._client, objects.REVISIONS.format(namespace=NAMESPACE))
        self._revisions.listeners.append(self._on_revision)
        return self

    def _watches(self) -> tuple[Watch, ...]:
        return (*super()._watches(), self._revisions)

    async def measure(self, tell: Callable[[str], None], wanted: Collection[str]) -> Figures:
        """Measure.

        Parameters
        ----------
        tell
            Called with what is measured next.
        wanted
            Which of `PARTS`.

        Raises
        ------
        BenchError
            When something does not come to pass within its time, or is refused.
        """
        figures: Figures = {"instances": self._count}
        parts: dict[str, Callable[[], Awaitable[Figures]]] = {
            "at_once": lambda: self._roll_out("at-once"),
            "sliding": self._sliding,
            "policy": self._policy,
            "batches": self._batches,
            "restart": self._restart,
            "revisions": self._many_edits,
        }

        async def act() -> None:
            tell("create")
            await self._create_all()
            for name in PARTS:
                if name in wanted:
                    await self._between()
                    tell(name)
                    figures[name] = await parts[name]()

        await self._watching(act)
        return figures

    async def _create_all(self) -> None:
        await self._send([objects.creation(objects.template())])
        await self._start_operator()
        self._instances.expect(self._names, lambda _, obj: is_ready(obj))
        await self._send(objects.creation(objects.instance(name)) for name in self._names)
        await self._instances.all_met(self._limit)
        await self._requests.settled(SETTLED_QUIET_SECONDS, self._limit)

    async def _sliding(self) -> Figures:
        """Roll out with a budget alone: the next instance moves as soon as one has arrived."""
        await self._set({"max_unavailable": "10%", "soak_seconds": 0})
        return await self._roll_out("sliding")

    async def _policy(self) -> Figures:
        """Edit what is not about models: steps."""
        since = timestamp()
        await self._set(objects.in_steps())
        return self._asked(since)

    async def _batches(self) -> Figures:
        """Roll out in steps; the time from the last arrival in each to the first move of the next."""
        figures = await self._roll_out("batches")
        moved, arrived = self._deployments.times, self._instances.times
        batches = [self._names[number::BATCHES] for number in range(BATCHES)]
        gaps = [
            min(moved[name] for name in later) - max(arrived[name] for name in earlier)
            for earlier, later in pairwise(batches)
        ]
        return {**figures, "gap_ms": percentiles(gaps), "longest_gap_ms": round(max(gaps) * 1000, 1)}

    async def _many_edits(self) -> Figures:
        """Edit a template with a pinned and a waiting instance many times, each when the last is stored."""
        template = objects.template("edit-0")
        template["metadata"]["name"] = _EDITED
        template["spec"]["rollout"] = {"paused": True}
        await self._store(objects.creation(template), "edit-0")
        await self._ready("waiting", {})
        pin = await self._store(objects.merge(template, objects.tagged("edit-1")), "edit-1")
        await self._ready("pinned", {"model_template_revision": pin})
        assert self._operator is not None
        since, before = timestamp(), usage(self._operator.pid).peak_mb
        taken = []
        for number in range(2, self._edits + 2):
            tag = f"edit-{number}"
            begin = time.monotonic()
            await self._store(objects.merge(template, objects.tagged(tag)), tag)
            taken.append(self._stored[tag] - begin)
        await self._requests.settled(SETTLED_QUIET_SECONDS, self._limit)
        stored = [
            each for each in self._revisions.newest.values() if each["spec"]["template"]["name"] == _EDITED
        ]
        return {
            "edits": self._edits,
            "to_stored_ms": percentiles(taken),
            "left": len(stored),
            # The latest, the stable one that an instance runs, and the pinned one.
            "most_left": HISTORY_LIMIT + 3,
            "grown_mb": round(usage(self._operator.pid).peak_mb - before, 1),
            **self._asked(since),
        }

    async def _store(self, request: Any, tag: str) -> str:
        """Send a creation or edit, and wait until its revision is stored; give the revision's hash."""
        await self._client.send(request)
        async with asyncio.timeout(_STORED_SECONDS):
            while tag not in self._stored:
                self._is_stored.clear()
                await self._is_stored.wait()
        found = next(each for each in self._revisions.newest.values() if _tag(each) == tag)
        revision: str = found["spec"]["hash"]
        return revision

    def _on_revision(self, revision: Object) -> None:
        self._stored.setdefault(_tag(revision), time.monotonic())
        self._is_stored.set()

    async def _ready(self, name: str, spec: Object) -> None:
        instance = objects.instance(name)
        instance["spec"] |= {"model_template_id": _EDITED, **spec}
        self._instances.expect([name], lambda _, obj: is_ready(obj))
        await self._client.send(objects.creation(instance))
        await self._instances.all_met(self._limit)


def _tag(revision: Object) -> str:
    tag: str = revision["spec"]["template_spec"]["vendor_configuration"]["bundle_config"]["tag"]
    return tag
