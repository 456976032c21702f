"""The Service and the Deployment of a new instance are created at once; one in vain is taken back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from model_operator.controller.reconcile.children import ChildSync
from model_operator.controller.reconcile.contention import Contests
from model_operator.core.reasons.refusals import Failure
from model_operator.core.rendering.render import render
from model_operator.core.status.child_events import ChildAction
from model_operator.core.templates.parsing import parse_instance, parse_template
from model_operator.kube.client import Object
from model_operator.kube.errors import ApiUnavailableError, ConflictError
from tests.unit.controller.fake_api import CREATED, FakeApi, scale
from tests.unit.controller.objects import instance, template
from tests.unit.controller.world import World

LATER = "2026-01-01T09:00:01Z"
CONFLICT = "Service demo already exists and is not owned by this instance."
TAKEN_BACK = ["apply Deployment demo", "delete Deployment demo"]


class SlowApi(FakeApi):
    """Answers an apply only when the one of another kind has arrived, too, and records which have."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived: list[str] = []
        self.met = asyncio.Event()

    async def apply(self, kind: Any, obj: Any, **options: Any) -> Object:
        self.arrived.append(kind.kind)
        if len(self.arrived) == 2:
            self.met.set()
        async with asyncio.timeout(5):
            await self.met.wait()
        return await super().apply(kind, obj, **options)


class Creation(World):
    """The instance `demo`, of which no status was written unless one is given."""

    def __init__(self, api: FakeApi | None = None, **status: Any) -> None:
        super().__init__(api)
        obj = instance("demo")
        self.instance = {**obj, "status": status}
        self.api.put(self.instance)
        self.actions: list[ChildAction] = []
        self.restart()

    def restart(self) -> None:
        """Forget everything but the caches."""
        self.children = ChildSync(self.api, self.state, self.actions.append, Contests(self.api))

    def sync(self) -> dict[str, Failure]:
        parsed, _ = parse_instance(self.instance)
        return asyncio.run(self.children.sync(parsed, render(parse_template(template("embed")), parsed)))

    def reasons(self) -> dict[str, str]:
        return {name: failure.reason.name for name, failure in self.sync().items()}

    def take(self, kind: str = "Service", **metadata: Any) -> Object:
        """Have an object of somebody else under the name."""
        return self.api.put(
            {
                "kind": kind,
                "metadata": {"name": "demo", "namespace": "team", "creationTimestamp": CREATED, **metadata},
                "spec": {"of": "somebody"},
            }
        )

    def leave_deployment(self) -> Object:
        """Have the Deployment that a process created which was killed before it did anything else."""
        self.api.refusals["apply Service demo"] = (503, {})
        assert self.reasons() == {"demo": "Deploying"}
        self.api.refusals.clear()
        self.restart()
        self.api.writes.clear()
        found = self.api.find("Deployment", "demo")
        assert found is not None
        return found


def test_neither_request_waits_for_the_other() -> None:
    api = SlowApi()

    assert Creation(api).sync() == {}
    assert sorted(api.arrived) == ["Deployment", "Service"]


def test_an_instance_with_a_status_waits_for_its_service() -> None:
    world = Creation(observedGeneration=1)
    world.take()

    assert world.reasons() == {"demo": "NameConflict"}
    assert world.api.writes == []


def test_what_was_taken_back_is_not_created_again_while_the_name_is_taken() -> None:
    world = Creation()
    taken = world.take()

    for _ in range(3):
        assert world.reasons() == {"demo": "NameConflict"}
    assert world.api.writes == TAKEN_BACK
    assert world.state.children["Deployment"].get("team", "demo") is None
    assert [str(each.verb) for each in world.actions] == ["created", "taken back"]

    world.api.remove(taken)
    assert world.sync() == {}
    assert world.api.writes == [*TAKEN_BACK, "apply Service demo", "apply Deployment demo"]


def test_a_taken_name_of_the_deployment_leaves_the_service() -> None:
    world = Creation()
    before = world.take("Deployment")

    assert world.reasons() == {"demo": "NameConflict"}
    assert world.api.writes == ["apply Service demo"]
    assert world.api.find("Deployment", "demo") == before


def test_both_names_are_taken() -> None:
    world = Creation()
    service, deployment = world.take(), world.take("Deployment")

    assert {name: failure.detail for name, failure in world.sync().items()} == {"demo": CONFLICT}
    assert world.api.writes == []
    assert (world.api.find("Service", "demo"), world.api.find("Deployment", "demo")) == (service, deployment)


def test_an_orphaned_deployment_is_not_adopted_before_the_service_exists() -> None:
    world = Creation()
    world.take()
    labels = {"app.kubernetes.io/managed-by": "model-operator", "modeloperator.dev/instance": "demo"}
    selector = {"modeloperator.dev/instance": "demo", "modeloperator.dev/deployment": "demo"}
    orphan = world.take("Deployment", labels=labels)
    orphan = world.api.put({**orphan, "spec": {"selector": {"matchLabels": selector}}})

    assert world.reasons() == {"demo": "NameConflict"}
    assert world.api.find("Deployment", "demo") == orphan


def test_a_status_of_the_deployment_that_comes_meanwhile_does_not_keep_it() -> None:
    world = Creation()
    world.take()
    reports = iter(range(2))

    def report() -> None:
        if next(reports, None) is not None:
            live = world.api.find("Deployment", "demo")
            assert live is not None
            world.api.put({**live, "status": {"replicas": 1}})

    world.api.before["delete Deployment demo"] = report

    assert world.reasons() == {"demo": "NameConflict"}
    assert world.api.find("Deployment", "demo") is None


@pytest.mark.parametrize("change", ["another one", "no longer ours", "changed"])
def test_a_deployment_that_others_changed_meanwhile_is_left_alone(change: str) -> None:
    world = Creation()
    world.take()

    def interfere() -> None:
        live = world.api.find("Deployment", "demo")
        assert live is not None
        metadata = live["metadata"]
        match change:
            case "another one":
                metadata["uid"] = "another"
            case "no longer ours":
                metadata["ownerReferences"] = []
            case "changed":
                live, metadata["generation"] = scale(live, 3), 2
        world.api.put({**live, "metadata": metadata})

    world.api.before["delete Deployment demo"] = interfere

    assert world.reasons() == {"demo": "NameConflict"}
    assert world.api.find("Deployment", "demo") is not None
    assert world.api.writes == ["apply Deployment demo"]


def test_a_deployment_that_keeps_changing_is_tried_again() -> None:
    world = Creation()
    world.take()
    world.api.refusals["delete Deployment demo"] = (409, {})

    with pytest.raises(ConflictError):
        world.sync()
    world.api.refusals.clear()
    assert world.reasons() == {"demo": "NameConflict"}
    assert world.api.writes == TAKEN_BACK


def test_no_status_is_written_until_the_server_answers() -> None:
    world = Creation()
    world.take()
    world.api.refusals["delete Deployment demo"] = (503, {})

    with pytest.raises(ApiUnavailableError):
        world.sync()
    world.api.refusals.clear()
    assert world.reasons() == {"demo": "NameConflict"}
    assert world.api.writes == TAKEN_BACK


def test_a_refused_deletion_still_reports_the_taken_name() -> None:
    world = Creation()
    world.take()
    world.api.refusals["delete Deployment demo"] = (403, {"message": "no"})

    assert world.reasons() == {"demo": "NameConflict"}


def test_a_killed_process_leaves_a_deployment_whose_service_is_created_by_the_next() -> None:
    world = Creation()
    before = world.leave_deployment()

    assert world.sync() == {}
    assert world.api.writes == ["apply Service demo"]
    assert world.api.find("Deployment", "demo") == before


def test_a_killed_process_leaves_a_deployment_in_vain_that_the_next_takes_back() -> None:
    world = Creation()
    world.leave_deployment()
    before = world.take()

    assert world.reasons() == {"demo": "NameConflict"}
    assert world.api.writes == ["delete Deployment demo"]
    assert world.api.find("Service", "demo") == before


@pytest.mark.parametrize("case", ["reported", "younger", "was ours", "unknown age", "changed"])
def test_a_deployment_that_may_have_been_called_stays(case: str) -> None:
    world = Creation()
    deployment = world.leave_deployment()
    match case:
        case "reported":
            world.instance = {**world.instance, "status": {"observedGeneration": 1}}
            world.take()
        case "younger":
            world.take(creationTimestamp=LATER)
        case "was ours":
            world.take(annotations={"modeloperator.dev/applied-hash": "0"})
        case "unknown age":
            world.take(creationTimestamp="")
        case "changed":
            metadata = {**deployment["metadata"], "generation": 2}
            deployment = world.put({**deployment, "metadata": metadata})
            world.take()

    assert world.reasons() == {"demo": "NameConflict"}
    assert world.api.find("Deployment", "demo") == deployment
