"""Bringing children to what is wanted: whose they are, what is in the way, what is deleted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import yaml

from model_operator.controller.reconcile.children import ChildSync, NamespaceTerminatingError
from model_operator.controller.reconcile.contention import Contests
from model_operator.core.reasons.refusals import Failure
from model_operator.core.rendering.render import Rendering, render
from model_operator.core.status.child_events import ChildAction
from model_operator.core.templates.parsing import parse_instance, parse_template
from model_operator.kube.client import Object
from tests.unit.controller.fake_api import FakeApi, Refusal
from tests.unit.controller.objects import instance, template
from tests.unit.controller.world import World

LABELS = {"app.kubernetes.io/managed-by": "model-operator", "modeloperator.dev/instance": "demo"}
COMPLETE = yaml.safe_load("""
    observedGeneration: 1
    replicas: 1
    updatedReplicas: 1
    availableReplicas: 1
    conditions: [{type: Progressing, status: "True", reason: NewReplicaSetAvailable}]
""")
FORBIDDEN: Refusal = (403, {"message": 'User "u" cannot patch resource "services"'})
TERMINATING: Refusal = (403, {"message": "no", "details": {"causes": [{"reason": "NamespaceTerminating"}]}})


def owner(uid: str = "i1", name: str = "demo") -> dict[str, Any]:
    return {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": "ModelInstance",
        "name": name,
        "uid": uid,
        "controller": True,
    }


OLD = {"ownerReferences": [owner()], "creationTimestamp": "2026-01-01T08:00:00Z"}
"""Metadata of a child of the instance that is older than what is applied here."""


def existing(kind: str, name: str = "demo", *, spec: Any = None, **metadata: Any) -> Object:
    meta = {"name": name, "namespace": "team", **metadata}
    obj = {"kind": kind, "metadata": meta, "spec": spec or {"of": "somebody"}}
    return {**obj, "status": COMPLETE} if kind == "Deployment" else obj


class Children(World):
    """The instance `demo` on the server; `known` are children that the server and the cache have."""

    def __init__(self, *known: Object, api: FakeApi | None = None) -> None:
        super().__init__(api)
        self.instance = instance("demo")
        self.api.put(self.instance)
        for child in known:
            self.put(child)
        self.actions: list[ChildAction] = []
        self.children = ChildSync(self.api, self.state, self.actions.append, Contests(self.api))

    def rendering(self, *entries: str) -> Rendering:
        spec = {
            **self.instance["spec"],
            **({"deployments": [{"name": one} for one in entries]} if entries else {}),
        }
        return render(parse_template(template("embed")), parse_instance({**self.instance, "spec": spec})[0])

    def sync(self, *entries: str) -> dict[str, Failure]:
        parsed, _ = parse_instance(self.instance)
        return asyncio.run(self.children.sync(parsed, self.rendering(*entries)))

    def told(self, *entries: str) -> dict[str, tuple[str, str]]:
        """Return what was in the way, as reason and detail."""
        return {name: (one.reason.name, one.detail) for name, one in self.sync(*entries).items()}

    def roll_out(self, name: str) -> None:
        """Have a Deployment complete, on the server and in the cache."""
        live = self.api.find("Deployment", name)
        assert live is not None
        self.put({**live, "status": COMPLETE})


def test_what_is_missing_is_created_the_service_first_and_what_is_there_is_left_alone() -> None:
    world = Children()

    assert world.sync() == {}
    assert world.api.writes == ["apply Service demo", "apply Deployment demo"]
    assert world.sync() == {}
    assert len(world.api.writes) == 2


def test_what_differs_is_taken_back_by_force() -> None:
    world = Children()
    world.sync()
    edited = world.api.find("Service", "demo")
    assert edited is not None
    edited["spec"]["selector"] = {"app": "other", "modeloperator.dev/instance": None}
    world.state.children["Service"].put(world.api.put(edited))
    world.api.writes.clear()

    assert world.sync() == {}
    assert world.api.writes == ["force apply Service demo"]


@pytest.mark.parametrize(
    ("metadata", "reason", "detail", "writes"),
    [
        pytest.param(
            {"ownerReferences": [owner()]},
            None,
            None,
            ["force apply Service demo", "apply Deployment demo"],
            id="ours, the cache was behind",
        ),
        pytest.param(
            {"labels": LABELS}, None, None, ["force apply Service demo", "apply Deployment demo"], id="orphan"
        ),
        pytest.param(
            {},
            "NameConflict",
            "Service demo already exists and is not owned by this instance.",
            ["apply Deployment demo", "delete Deployment demo"],
            id="somebody else's",
        ),
        pytest.param(
            {"ownerReferences": [owner("i0")]},
            "Deploying",
            "Service demo is still being deleted; it will be recreated.",
            ["apply Deployment demo"],
            id="of an earlier namesake",
        ),
        pytest.param(
            {"ownerReferences": [owner()], "deletionTimestamp": "now"},
            "Deploying",
            "Service demo is still being deleted; it will be recreated.",
            ["apply Deployment demo"],
            id="being deleted",
        ),
    ],
)
def test_a_name_that_is_taken(
    metadata: dict[str, Any], reason: str | None, detail: str, writes: list[str]
) -> None:
    world = Children()
    before = world.api.put(existing("Service", **metadata))

    assert world.told() == ({"demo": (reason, detail)} if reason else {})
    assert world.api.writes == writes
    if reason:
        assert world.api.find("Service", "demo") == before
        assert (world.api.find("Deployment", "demo") is None) is (reason == "NameConflict")


def test_a_taken_name_that_is_free_again_at_the_second_look() -> None:
    world = Children()
    taken = world.api.put(existing("Service"))
    world.api.before["get Service demo"] = lambda: world.api.remove(taken)

    assert world.told() == {"demo": ("Deploying", "Service demo was deleted during the update; retrying.")}
    world.api.before.clear()
    assert world.told() == {}


def test_a_deployment_that_selects_other_pods_can_never_become_ours() -> None:
    world = Children()
    world.api.put(existing("Deployment", labels=LABELS, spec={"selector": {"matchLabels": {"app": "x"}}}))

    assert world.told() == {
        "demo": ("NameConflict", "Deployment demo already exists and is not owned by this instance.")
    }


@pytest.mark.parametrize("live", ["gone", "recreated", "being deleted"])
def test_an_orphan_is_left_alone_when_the_instance_is_not_what_the_cache_thinks(live: str) -> None:
    world = Children()
    before = world.api.put(existing("Service", labels=LABELS))
    match live:
        case "gone":
            world.api.remove(world.instance)
        case "recreated":
            world.api.put(instance("demo", uid="i2"))
        case "being deleted":
            held = instance("demo")
            world.api.put({**held, "metadata": {**held["metadata"], "deletionTimestamp": "now"}})

    assert world.told() == {"demo": ("Deploying", "Service demo has no owner; checking before adoption.")}
    assert world.api.find("Service", "demo") == before


def test_an_orphan_that_the_cache_knows_is_judged_the_same() -> None:
    world = Children(existing("Service", labels=LABELS))
    world.api.remove(world.instance)

    assert world.told() == {"demo": ("Deploying", "Service demo has no owner; checking before adoption.")}
    assert world.api.writes == []


def test_an_orphan_is_left_alone_when_the_server_cannot_be_asked() -> None:
    world = Children(existing("Service", labels=LABELS))
    world.api.refusals["get ModelInstance demo"] = (503, {})

    assert world.told() == {
        "demo": ("Deploying", "Cannot apply Service demo at the moment (HTTP 503); retrying.")
    }


def test_a_known_child_that_was_replaced_by_a_namesake_is_not_overwritten() -> None:
    world = Children(existing("Service", ownerReferences=[owner()]))
    users = world.api.put(existing("Service", uid="another"))

    assert world.told() == {"demo": ("Deploying", "Service demo changed during the update; retrying.")}
    assert world.api.find("Service", "demo") == users


REFUSED_FOR_GOOD = ["apply Deployment demo-a", "delete Deployment demo-a"]
REFUSED_FOR_NOW = ["apply Deployment demo-a"]


@pytest.mark.parametrize(
    ("refusal", "reason", "detail", "writes"),
    [
        (
            (422, {"message": "spec.ports: Required"}),
            "DeploymentRejected",
            "Cannot apply Service demo-a: spec.ports",
            REFUSED_FOR_GOOD,
        ),
        (FORBIDDEN, "OperatorForbidden", "Cannot apply Service demo-a: User", REFUSED_FOR_GOOD),
        (
            (409, {"message": 'admission webhook "w" denied the request: no'}),
            "DeploymentRejected",
            'Cannot apply Service demo-a: admission webhook "w" denied',
            REFUSED_FOR_GOOD,
        ),
        ((503, {}), "Deploying", "Cannot apply Service demo-a at the moment (HTTP 503)", REFUSED_FOR_NOW),
        ((404, {}), "Deploying", "Cannot apply Service demo-a at the moment (HTTP 404)", REFUSED_FOR_NOW),
    ],
)
def test_a_refused_write_holds_up_its_own_deployment_only(
    refusal: Refusal, reason: str, detail: str, writes: list[str]
) -> None:
    world = Children()
    world.api.refusals["apply Service demo-a"] = refusal

    told = world.told("a", "b")

    assert told.keys() == {"demo-a"}
    assert told["demo-a"][0] == reason
    assert told["demo-a"][1].startswith(detail)
    assert world.api.writes == [*writes, "apply Service demo-b", "apply Deployment demo-b"]


@pytest.mark.parametrize("request_of", ["apply Service demo", "apply Deployment demo"])
def test_a_namespace_that_goes_away_ends_the_work(request_of: str) -> None:
    world = Children()
    world.api.refusals[request_of] = TERMINATING

    with pytest.raises(NamespaceTerminatingError):
        world.sync()


def test_what_is_no_longer_wanted_goes_when_its_replacement_serves() -> None:
    world = Children(existing("Deployment", "demo-a", **OLD), existing("Service", "demo-a", **OLD))

    assert world.sync("b") == {}
    assert world.api.find("Deployment", "demo-a")
    world.roll_out("demo-b")
    world.api.writes.clear()

    assert world.sync("b") == {}
    assert world.api.writes == ["delete Deployment demo-a", "delete Service demo-a"]


def test_what_is_no_longer_wanted_stays_while_its_replacement_is_not_there_in_full() -> None:
    world = Children(existing("Deployment", "demo-a", **OLD), existing("Service", "demo-a", **OLD))
    world.sync("b")
    world.roll_out("demo-b")
    # Somebody else takes the name of the Service.
    ours = world.api.find("Service", "demo-b")
    assert ours is not None
    world.state.children["Service"].remove(ours)
    world.api.put(existing("Service", "demo-b"))

    assert world.told("b")["demo-b"][0] == "NameConflict"
    assert world.api.find("Deployment", "demo-a")
    assert world.api.find("Service", "demo-a")


def unwanted() -> Children:
    """Return a world with a Deployment and a Service too many, beside what is wanted."""
    world = Children(existing("Deployment", "demo-a", **OLD), existing("Service", "demo-a", **OLD))
    world.sync()
    world.roll_out("demo")
    world.api.writes.clear()
    return world


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        (
            (500, {"message": "etcdserver: request timed out"}),
            ("Deploying", "Cannot delete Deployment demo-a at the moment (HTTP 500); retrying."),
        ),
        ((403, {"message": "may not"}), ("OperatorForbidden", "Cannot delete Deployment demo-a: may not.")),
    ],
)
def test_a_refused_deletion_is_told_and_holds_up_no_other(refusal: Refusal, told: tuple[str, str]) -> None:
    world = unwanted()
    world.api.refusals["delete Deployment demo-a"] = refusal

    assert world.told() == {"demo-a": told}
    assert world.api.writes == ["delete Service demo-a"]


@pytest.mark.parametrize("refusal", [(404, {}), (409, {})])
def test_what_has_gone_meanwhile_need_not_be_deleted(refusal: Refusal) -> None:
    world = unwanted()
    world.api.refusals["delete Deployment demo-a"] = refusal

    assert world.told() == {}


def test_a_namesake_of_what_is_no_longer_wanted_is_not_deleted() -> None:
    world = unwanted()
    users = world.api.put(existing("Deployment", "demo-a", uid="another"))

    assert world.told() == {}
    assert world.api.find("Deployment", "demo-a") == users
