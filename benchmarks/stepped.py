"""An edit of a template that reaches its instances in steps, a tenth of them after the other."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks import objects
from benchmarks.distribution import quantiles
from benchmarks.place import image, is_ready
from benchmarks.requests import timestamp
from benchmarks.setting import SETTLED_QUIET_SECONDS, Figures, Setting
from model_operator.core.templates.parsing import parse_template

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from benchmarks.objects import Object

STEPPED_TAG = "cpu-1.9.5"


class SteppedEdit(Setting):
    """The step ``edit_in_steps``, and what measures of roll-outs have in common."""

    async def _edit_in_steps(self) -> Figures:
        """Edit the template once more, in steps, each of which moves all of its instances at once."""
        await self._set(objects.in_steps())
        return {"edited": len(self._place.everything), **await self._roll_out(STEPPED_TAG)}

    async def _set(self, rollout: Object | None) -> None:
        """Say how the template rolls out; None for all instances at once."""
        await self._client.send(objects.merge(objects.template(), {"spec": {"rollout": rollout}}))
        await self._requests.settled(SETTLED_QUIET_SECONDS, self._limit)

    async def _roll_out(self, tag: str) -> Figures:
        """Edit the template, and wait until all instances have arrived and the revision is stable."""
        revision = parse_template(objects.template(tag)).revision
        name = objects.template()["metadata"]["name"]
        everything = self._place.everything
        self._deployments.expect(everything, lambda _, obj: image(obj).endswith(f":{tag}"))
        self._instances.expect(everything, lambda _, obj: is_ready(obj) and bound_revision(obj) == revision)
        self._templates.expect([name], lambda _, obj: is_rolled_out(obj, revision))
        edit = objects.merge(objects.template(), objects.tagged(tag))
        since, before, begin = timestamp(), self._cpu_seconds(), time.monotonic()
        await self._client.send(edit)
        moved = await self._deployments.all_met(self._limit)
        arrived = await self._instances.all_met(self._limit)
        complete = await self._templates.all_met(self._limit)
        await self._requests.settled(SETTLED_QUIET_SECONDS, self._limit)
        statuses = self._requests.times(since, "patch", "modeltemplates/status")
        return {
            "moved_seconds": max(moved.values()) - begin,
            "arrived_seconds": max(arrived.values()) - begin,
            "complete_seconds": complete[name] - begin,
            "moved_quantiles": quantiles((each - begin for each in moved.values()), digits=3),
            "arrived_quantiles": quantiles((each - begin for each in arrived.values()), digits=3),
            "statuses": len(statuses),
            "statuses_per_second": round(rate(statuses), 2),
            "most_statuses_in_a_second": most_in_a_second(statuses),
            **self._asked(since),
            **self._used(before),
        }


def bound_revision(instance: Object) -> str:
    """Give the revision of its template that an instance's status is about."""
    revision: str = (instance["status"].get("template") or {}).get("revision", "")
    return revision


def is_rolled_out(template: Object, revision: str) -> bool:
    """Give whether a revision has reached all instances, and is the stable one."""
    status = template.get("status") or {}
    done = any(
        (each["type"], each["status"]) == ("RolledOut", "True") for each in status.get("conditions", ())
    )
    return done and status.get("stable_revision") == status.get("latest_revision") == revision


def rate(times: Sequence[datetime]) -> float:
    """Give how many there were in a second on average, from the first to the last."""
    seconds = (times[-1] - times[0]).total_seconds() if times else 0.0
    return (len(times) - 1) / seconds if seconds else 0.0


def most_in_a_second(times: Sequence[datetime]) -> int:
    """Give the most of these times, in order, that lie within a second."""
    most = first = 0
    for index, each in enumerate(times):
        while (each - times[first]).total_seconds() >= 1:
            first += 1
        most = max(most, index - first + 1)
    return most
