"""A cluster in memory, in virtual time: an API server that is watched, and the controllers beside it.

Each version of each object is recorded for the judges of `tests/life`.
"""

from __future__ import annotations

import asyncio
import copy
import datetime
import random
from collections.abc import Callable
from functools import partial
from typing import Any

from model_operator.kube.client import Object
from model_operator.kube.clock import rfc3339
from tests.life.asked import MISSING_TAG
from tests.life.history import History, Version
from tests.unit.controller.fake_api import FakeApi

START = datetime.datetime(2026, 1, 1, 9, tzinfo=datetime.UTC)
RECORDED = ("ModelInstance", "ModelTemplate", "ModelTemplateRevision", "Deployment", "Service")
ROLL_SECONDS = (6.0, 25.0)
DEADLINE_SECONDS = 40.0
NAMESPACE = "team"
STATUS = "status"


def now() -> datetime.datetime:
    """Return the time of day in virtual time."""
    return START + datetime.timedelta(seconds=asyncio.get_running_loop().time())


class Cluster(FakeApi):
    """The API server and what runs beside it: the Deployment controller and the garbage collector.

    Parameters
    ----------
    source
        Where chance comes from.

    Attributes
    ----------
    history
        All versions.
    crashing
        Names of the instances whose pods crash, whatever they run.
    watchers
        Called with each change.
    written
        The writes of all operators, in order.
    deployment_seconds
        How long a write of a Deployment takes to arrive, at least and at most.
    """

    def __init__(self, source: random.Random) -> None:
        super().__init__()
        self.history = History()
        self.crashing: set[str] = set()
        self.watchers: list[Callable[[str, Object], None]] = []
        self.written: list[str] = []
        self.deployment_seconds = (0.005, 0.05)
        self.source = source

    def put(self, obj: Object) -> Object:
        """Store an object, count its generation, and report the change."""
        metadata = obj["metadata"]
        live = self.find(obj["kind"], metadata["name"], metadata.get("namespace", ""))
        found = dict(metadata)
        if live is None:
            found |= {"generation": 1, "creationTimestamp": rfc3339(now())}
        elif live.get("spec") != obj.get("spec"):
            found["generation"] = live["metadata"]["generation"] + 1
        stored = super().put({**obj, "metadata": found})
        self._report("ADDED" if live is None else "MODIFIED", stored)
        if stored["kind"] == "Deployment" and (live is None or live.get("spec") != stored["spec"]):
            self._later((0.02, 0.5), self._observe, stored["metadata"]["name"], stored["metadata"]["uid"])
        return stored

    def remove(self, obj: Object) -> None:
        """Remove an object, and later what it owns."""
        super().remove(obj)
        last = copy.deepcopy(obj)
        last["metadata"]["resourceVersion"] = str(next(self._versions))
        self._report("DELETED", last)
        self._later((0.1, 2.0), self._collect, obj["metadata"]["uid"])

    def all(self, kind: str) -> list[Object]:
        """Return all objects of a kind."""
        return [copy.deepcopy(obj) for (known, _, _), obj in self._objects.items() if known == kind]

    def edit(self, kind: str, name: str, change: Callable[[Object], object]) -> Object:
        """Change an object as a user does."""
        obj = self.find(kind, name)
        assert obj is not None
        change(obj)
        stored = self.put(obj)
        self.history.by_hand.add(int(stored["metadata"]["resourceVersion"]))
        return stored

    def user_deletes(self, kind: str, name: str) -> None:
        """Delete an object as a user does."""
        obj = self.find(kind, name)
        assert obj is not None
        self.history.removed.add(obj["metadata"]["uid"])
        self.remove(obj)

    def user_applies(self, obj: Object) -> Object:
        """Create an object or replace its spec and labels."""
        metadata = {"namespace": NAMESPACE, **obj["metadata"]}
        live = self.find(obj["kind"], metadata["name"])
        if live is None:
            return self.put({**obj, "metadata": metadata})
        return self.put({**live, "spec": obj["spec"], "metadata": {**live["metadata"], **metadata}})

    def _report(self, event: str, obj: Object) -> None:
        if obj["kind"] in RECORDED:
            self.history.add(
                Version(
                    int(obj["metadata"]["resourceVersion"]),
                    asyncio.get_running_loop().time(),
                    obj["kind"],
                    obj["metadata"]["name"],
                    copy.deepcopy(obj),
                    gone=event == "DELETED",
                )
            )
        for watcher in self.watchers:
            watcher(event, copy.deepcopy(obj))

    def _later(self, seconds: tuple[float, float], act: Callable[..., None], *arguments: Any) -> None:
        asyncio.get_running_loop().call_later(self.source.uniform(*seconds), partial(act, *arguments))

    def _collect(self, owner: str) -> None:
        for obj in list(self._objects.values()):
            if any(each["uid"] == owner for each in obj["metadata"].get("ownerReferences", ())):
                self.remove(obj)

    def _observe(self, name: str, uid: str) -> None:
        """Begin to roll out what a Deployment has now."""
        live = self.find("Deployment", name)
        if live is None or live["metadata"]["uid"] != uid:
            return
        generation, wanted = live["metadata"]["generation"], live["spec"].get("replicas", 1)
        status = live.get(STATUS, {})
        template = live["spec"]["template"]
        if status.get("observedGeneration") == generation:
            return
        if status.get("template") == template and status.get("complete") and name not in self.crashing:
            # Only the number of workers has changed.
            self._set(live, wanted, wanted, wanted, "NewReplicaSetAvailable")
            return
        available = min(status.get("availableReplicas", 0), wanted)
        self._set(live, available + bool(wanted), 0 + bool(wanted), available, "ReplicaSetUpdated")
        seconds = ROLL_SECONDS if wanted else (0.1, 0.2)
        self._later(seconds, self._complete, name, uid, generation)

    def _complete(self, name: str, uid: str, generation: int) -> None:
        live = self.find("Deployment", name)
        if live is None or (live["metadata"]["uid"], live["metadata"]["generation"]) != (uid, generation):
            return
        wanted = live["spec"].get("replicas", 1)
        image = live["spec"]["template"]["spec"]["containers"][0]["image"]
        if wanted and (image.endswith(f":{MISSING_TAG}") or name in self.crashing):
            old = live[STATUS]["availableReplicas"]
            self._set(live, old + 1, 1, old, "ProgressDeadlineExceeded")
            return
        self._set(live, wanted, wanted, wanted, "NewReplicaSetAvailable")

    def crash(self, name: str) -> None:
        """Let the pods of a Deployment crash from now on."""
        self.crashing.add(name)
        live = self.find("Deployment", name)
        if live is not None and live.get(STATUS, {}).get("complete"):
            wanted = live["spec"].get("replicas", 1)
            self._set(live, wanted, wanted, 0, "NewReplicaSetAvailable")

    def heal(self, name: str) -> None:
        """Let the pods of a Deployment crash no more."""
        self.crashing.discard(name)
        live = self.find("Deployment", name)
        if live is not None and STATUS in live:
            self._later(
                (1.0, 5.0), self._complete, name, live["metadata"]["uid"], live["metadata"]["generation"]
            )

    def _set(self, live: Object, replicas: int, updated: int, available: int, reason: str) -> None:
        is_overdue = reason == "ProgressDeadlineExceeded"
        progressing = {
            "type": "Progressing",
            "status": str(not is_overdue),
            "reason": reason,
            "message": "no progress" if is_overdue else "",
        }
        self.put(
            {
                **live,
                STATUS: {
                    "observedGeneration": live["metadata"]["generation"],
                    "replicas": replicas,
                    "updatedReplicas": updated,
                    "readyReplicas": available,
                    "availableReplicas": available,
                    "conditions": [progressing],
                    # For this controller alone.
                    "template": live["spec"]["template"],
                    "complete": reason == "NewReplicaSetAvailable",
                },
            }
        )
