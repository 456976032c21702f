"""A short life, told truly and written by hand: the judges find nothing wrong with it; lies change it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from tests.life.history import History, Object, Version
from tests.life.profiles import INSTANCE, SIMULATED, TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

UID = "uid-instance"
CREATED = "2026-01-01T08:00:00Z"
LABELS = {"modeloperator.dev/instance": INSTANCE, "modeloperator.dev/deployment": INSTANCE}
_MESSAGES = {True: "Runs.", False: "Is under way."}

Edit = tuple[int, "Callable[[Object], Object | None]"]


def metadata(kind: str, name: str, generation: int, **more: Any) -> Object:
    own = {"name": name, "namespace": "here", "generation": generation, "creationTimestamp": CREATED}
    return {"uid": f"uid-{kind.lower()}", **own, **more}


def owned(kind: str, name: str, generation: int) -> Object:
    owner = {"uid": UID, "controller": True, "blockOwnerDeletion": True}
    labels = {**LABELS, "modeloperator.dev/deployment": name}
    return metadata(
        kind,
        name,
        generation,
        uid=f"uid-{kind}-{name}",
        labels=labels,
        annotations={},
        ownerReferences=[owner],
    )


def template(generation: int, edition: str) -> Object:
    obj = SIMULATED.template(edition)
    conditions = [condition("Ready", True, generation, 8)]
    status = {
        "observedGeneration": generation,
        "id": "uid-template",
        "created_at": CREATED,
        "conditions": conditions,
    }
    return {**obj, "metadata": metadata("template", TEMPLATE, generation), "status": status}


def condition(kind: str, status: bool, generation: int, hour: int, **more: Any) -> Object:
    return {
        "type": kind,
        "status": str(status),
        "reason": "RolledOut" if status else "Deploying",
        "message": _MESSAGES[status or kind not in {"Ready", "Reconciling"}],
        "observedGeneration": generation,
        "lastTransitionTime": f"2026-01-01T{hour:02}:00:00Z",
        **more,
    }


def instance(generation: int = 1, status: Object | None = None, **spec: Any) -> Object:
    obj = SIMULATED.instance(**spec)
    return {
        **obj,
        "metadata": {**obj["metadata"], **metadata("instance", INSTANCE, generation)},
        "status": status or {"observedGeneration": -1, "deployments": []},
    }


def told(
    generation: int,
    template_generation: int,
    *,
    ready: int | None = None,
    since: int = 8,
    available: int | None = 9,
    workers: tuple[int, int] = (1, 1),
) -> Object:
    """Give a status: Ready since an hour, or not since `since`; workers in all, and the ready ones."""
    conditions = [condition("Ready", ready is not None, generation, ready or since)]
    conditions.append(condition("Available", available is not None, generation, available or 8))
    if ready is None:
        conditions.append(condition("Reconciling", True, generation, since))
    url = f"http://{INSTANCE}.here.svc"
    entry = {
        "name": INSTANCE,
        "status": "READY" if ready else "UPDATE_IN_PROGRESS",
        "replicas": workers[0],
        "ready_replicas": workers[1],
        "url": url,
    }
    return {
        "observedGeneration": generation,
        "conditions": conditions,
        "id": UID,
        "created_at": CREATED,
        "account_id": "here",
        "selector": "selector",
        "template": {
            "kind": "ModelTemplate",
            "name": TEMPLATE,
            "uid": "uid-template",
            "generation": template_generation,
        },
        "deployment_count": 1,
        "deployments": [entry],
        "url": url,
        "replicas": workers[0],
        "ready_replicas": workers[1],
    }


def deployment(
    generation: int,
    edition: str,
    *,
    replicas: int = 1,
    observed: int | None = None,
    counts: tuple[int, int, int] = (0, 0, 0),
    name: str = INSTANCE,
) -> Object:
    """Give a Deployment; `counts` are the workers, those of the present revision, and the available ones."""
    environment = {"EDITION": edition, "MODEL_NAME": "first"}
    container = {
        "name": "model",
        "image": "registry.test/encoder:v1",
        "env": [{"name": key, "value": value} for key, value in environment.items()],
    }
    labels = {**LABELS, "modeloperator.dev/deployment": name}
    names = ("replicas", "updatedReplicas", "availableReplicas")
    status = {**dict(zip(names, counts, strict=True)), "readyReplicas": counts[2]}
    return {
        "metadata": owned("Deployment", name, generation),
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"spec": {"containers": [container]}},
        },
        "status": {**status, "observedGeneration": generation if observed is None else observed},
    }


def service(name: str = INSTANCE) -> Object:
    selector = {**LABELS, "modeloperator.dev/deployment": name}
    return {
        "metadata": owned("Service", name, 1),
        "spec": {"selector": selector, "ports": [{"targetPort": "http"}]},
    }


TRUE_LIFE: Mapping[int, tuple[str, Object]] = {
    10: ("ModelTemplate", template(1, "first")),
    11: ("ModelInstance", instance()),
    12: ("Service", service()),
    13: ("Deployment", deployment(1, "first", observed=0)),
    14: ("ModelInstance", instance(1, told(1, 1, available=None, workers=(0, 0)))),
    15: ("Deployment", deployment(1, "first", counts=(1, 1, 1))),
    16: ("ModelInstance", instance(1, told(1, 1, ready=9))),
    17: ("ModelTemplate", template(2, "second")),
    18: ("Deployment", deployment(2, "second", observed=1, counts=(1, 1, 1))),
    19: ("ModelInstance", instance(1, told(1, 2, since=10))),
    20: ("Deployment", deployment(2, "second", counts=(2, 1, 1))),
    21: ("ModelInstance", instance(1, told(1, 2, since=10, workers=(2, 1)))),
    22: ("Deployment", deployment(2, "second", counts=(1, 1, 1))),
    23: ("ModelInstance", instance(1, told(1, 2, ready=11))),
    24: ("ModelInstance", instance(2, told(1, 2, ready=11), replicas=2)),
    25: ("Deployment", deployment(3, "second", replicas=2, observed=2, counts=(1, 1, 1))),
    26: ("ModelInstance", instance(2, told(2, 2, ready=11), replicas=2)),
    27: ("Deployment", deployment(3, "second", replicas=2, counts=(2, 2, 2))),
    28: ("ModelInstance", instance(2, told(2, 2, ready=11, workers=(2, 2)), replicas=2)),
}
"""First the roll-out, then another edition of the template, then a second worker; by revision."""


def history(*edits: Edit, seconds: float = 60.0, end: int = 28, removed: Collection[int] = ()) -> History:
    """Give the true life up to a revision with some versions changed.

    Parameters
    ----------
    edits
        Changes of the object at a revision; a new revision begins with ``{}`` and returns its object.
    seconds
        Time between two versions: more than watches may lag behind.
    end
        Revision of the last version.
    removed
        Revisions that are the last ones of their objects.
    """
    objects = {revision: copy.deepcopy(entry) for revision, entry in TRUE_LIFE.items() if revision <= end}
    for revision, change in edits:
        kind, obj = objects.get(revision, ("", {}))
        changed = change(obj)
        if changed is not None:
            kind, obj = changed.pop("kind", kind), changed
        objects[revision] = (kind, obj)
    result = History()
    for revision, (kind, obj) in objects.items():
        name = obj["metadata"]["name"]
        result.add(Version(revision, revision * seconds, kind, name, obj, gone=revision in removed))
    return result
