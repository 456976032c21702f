"""A child that somebody keeps changing: how often it is written, what is reported, and what is no fight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from model_operator.controller.reconcile.children import ChildSync
from model_operator.controller.reconcile.contention import Contests
from model_operator.core.objects import drift
from model_operator.core.planning.contested_fields import ContestedField
from model_operator.core.rendering.desired_child import DesiredChild
from model_operator.kube.client import Object
from model_operator.kube.resources import ResourceKind
from tests.unit.controller.fake_api import FakeApi
from tests.unit.controller.reconcile.test_children import Children

TYPE = ContestedField("Service", "spec.type", "meddler")


class Admitting(FakeApi):
    """Has a policy that rewrites each Service as it is applied."""

    rewrites = 0
    each_time_another = False
    of_spec = False

    async def apply(self, kind: ResourceKind, obj: Mapping[str, Any], **more: Any) -> Object:
        if kind.kind == "Service":
            self.rewrites += 1
            label = f"v{self.rewrites}" if self.each_time_another else "policy"
            labels = {**obj["metadata"]["labels"], "modeloperator.dev/deployment": label}
            spec = {**obj["spec"], "type": "NodePort"} if self.of_spec else obj["spec"]
            obj = {**obj, "metadata": {**obj["metadata"], "labels": labels}, "spec": spec}
        return await super().apply(kind, obj, **more)


class Fight(Children):
    """A world with a clock, where somebody changes the Service."""

    def __init__(self, api: FakeApi | None = None) -> None:
        super().__init__(api=api)
        self.now = 1000.0
        self.children = ChildSync(
            self.api, self.state, self.actions.append, Contests(self.api, lambda: self.now)
        )
        self.sync()
        self.api.writes.clear()

    def meddle(self, kind: str = "NodePort") -> None:
        live = self.api.find("Service", "demo")
        assert live is not None
        fields: dict[str, Any] = {"f:spec": {"f:type": {}}}
        live["metadata"]["managedFields"] = [
            {"manager": "meddler", "operation": "Update", "fieldsV1": fields, "time": "2026-01-01T00:00:00Z"}
        ]
        live["spec"]["type"] = kind
        self.put(live)

    def assert_peace(self) -> None:
        assert self.children.contested == {}
        assert self.children.next_look is None

    def after(self, seconds: float) -> int:
        """Look again after some seconds; return the number of writes."""
        self.now += seconds
        self.sync()
        written = len(self.api.writes)
        self.api.writes.clear()
        return written


def test_the_first_drift_is_corrected_at_once_and_nobody_is_accused() -> None:
    world = Fight()
    world.meddle()

    assert world.after(0) == 1
    world.assert_peace()


def test_what_is_still_as_it_was_written_is_not_compared_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Fight()
    compared: list[str] = []

    def is_applied(child: DesiredChild, live: Mapping[str, Any]) -> bool:
        compared.append(child.kind)
        return drift.is_applied(child.applied, live)

    monkeypatch.setattr(DesiredChild, "is_applied", is_applied)

    assert world.after(0) == 0
    assert compared == []
    world.meddle()
    assert world.after(0) == 1
    assert compared == ["Service"], "it has another version than the one that was written"
    assert world.after(1000) == 0
    assert compared == ["Service"]
    world.instance["spec"]["replicas"] = 3
    assert world.after(0) == 2
    assert compared == ["Service", "Deployment"], "another one is desired"


def test_drift_that_comes_back_waits_and_is_reported_with_field_and_manager() -> None:
    world = Fight()
    world.meddle()
    assert world.after(0) == 1
    waited = []
    for pause in (1, 2, 4, 8):
        world.meddle()
        assert world.after(0) == 0
        assert world.children.contested == {"demo": [TYPE]}
        assert world.children.next_look == pause
        assert world.after(pause - 0.01) == 0
        waited.append(world.after(0.02))
        assert world.children.contested == {"demo": [TYPE]}, "it does not come and go from round to round"

    assert waited == [1, 1, 1, 1]


def test_what_is_left_in_peace_is_no_longer_contested() -> None:
    world = Fight()
    for _ in range(2):
        world.meddle()
        world.after(0)
    assert world.after(1) == 1
    assert world.children.next_look == 10

    assert world.after(9) == 0
    assert world.children.contested == {"demo": [TYPE]}
    assert world.after(1) == 0
    world.assert_peace()


def test_after_ten_minutes_a_drift_is_a_first_one_again() -> None:
    world = Fight()
    for _ in range(3):
        world.meddle()
        world.after(100)
    world.meddle()

    assert world.after(600) == 1
    assert world.children.contested == {}


def test_slow_opponent_is_reported_from_the_third_time_on() -> None:
    world = Fight()
    reported = []
    for _ in range(4):
        world.meddle()
        assert world.after(60) == 1
        reported.append(bool(world.children.contested))

    assert reported == [False, False, True, True]


def test_a_change_of_what_is_wanted_never_waits() -> None:
    world = Fight()

    def scale() -> None:
        live = world.api.find("Deployment", "demo")
        assert live is not None
        live["spec"]["replicas"] += 7
        world.state.children["Deployment"].put(world.api.put(live))

    for _ in range(5):
        scale()
        world.after(0)
    assert world.children.contested
    world.instance["spec"]["replicas"] = 3

    assert world.after(0) == 2, "the Deployment, and a disruption budget as there are several workers now"
    live = world.api.find("Deployment", "demo")
    assert live is not None
    assert live["spec"]["replicas"] == 3
    # The fight begins anew, with a slip.
    assert world.children.contested == {}


def test_a_service_that_is_made_headless_again_is_replaced_after_a_delay() -> None:
    world = Fight()

    cache = world.state.children["Service"]

    def make_headless() -> None:
        live = world.api.find("Service", "demo")
        assert live is not None
        live["spec"]["clusterIP"] = "None"
        world.put(live)

    make_headless()
    assert world.after(0) == 1, "it is deleted"
    assert world.api.find("Service", "demo") is None
    for known in list(cache):
        cache.remove(known)
    assert world.after(0) == 1, "and created"
    make_headless()

    assert world.after(0) == 0
    assert world.children.next_look == 1
    assert world.after(1) == 1


def test_a_child_that_is_deleted_again_and_again() -> None:
    world = Fight()

    def delete() -> None:
        live = world.api.find("Service", "demo")
        assert live is not None
        world.api.remove(live)
        world.state.children["Service"].remove(
            {**live, "metadata": {**live["metadata"], "resourceVersion": "99999"}}
        )

    delete()
    assert world.after(0) == 1
    live = world.api.find("Service", "demo")
    assert live is not None
    live["metadata"]["resourceVersion"] = "100000"
    world.state.children["Service"].put(live)
    world.state.children["Service"].remove(live)
    world.api.remove(live)

    assert world.after(0) == 0
    assert world.children.contested == {"demo": [ContestedField("Service", "", "")]}
    assert world.after(1) == 1


@pytest.mark.parametrize("each_time_another", [False, True])
def test_what_admission_makes_of_an_apply_is_no_fight(each_time_another: bool) -> None:
    api = Admitting()
    api.each_time_another = each_time_another
    world = Fight(api)

    assert [world.after(1) for _ in range(5)] == [0] * 5
    assert world.children.contested == {}
    # Once in a while it is tried whether the policy is still there.
    world.after(600)
    assert api.rewrites == 2


def test_what_admission_makes_of_more_than_pods_and_metadata_is_contested_and_not_fought() -> None:
    api = Admitting()
    api.of_spec = True
    world = Fight(api)

    assert [world.after(1) for _ in range(5)] == [0] * 5
    assert world.children.contested == {"demo": [ContestedField("Service", "spec.type", "")]}
    assert world.children.next_look == 595
    api.of_spec = False

    assert world.after(595) == 1, "it is tried whether the policy is still there"
    assert world.children.contested == {}


def test_who_changes_what_admission_has_rewritten_is_corrected() -> None:
    world = Fight(Admitting())
    world.meddle()

    assert world.after(1) == 1
    live = world.api.find("Service", "demo")
    assert live is not None
    assert live["spec"]["type"] == "ClusterIP"
    assert world.after(1) == 0


def test_a_restart_forgets_pauses_but_not_that_it_was_applied() -> None:
    world = Fight()
    world.meddle()
    world.children = ChildSync(
        world.api, world.state, world.actions.append, Contests(world.api, lambda: world.now)
    )
    assert world.after(0) == 1
    world.meddle()

    assert world.after(0) == 0


def test_who_writes_is_read_once_for_each_drift() -> None:
    world = Fight()
    reads = []
    world.api.before["get Service demo"] = lambda: reads.append(world.now)
    world.meddle()
    world.after(0)
    world.meddle()
    for _ in range(5):
        world.after(0.1)
    assert len(reads) == 1
    world.meddle("LoadBalancer")
    world.after(0.1)
    assert len(reads) == 1, "not more than once a second"
    world.after(2)

    assert len(reads) == 2


def test_a_server_that_does_not_answer_is_no_reason_to_fall_silent() -> None:
    world = Fight()
    world.meddle()
    world.after(0)
    world.api.refusals["get Service demo"] = (503, {})
    world.meddle()

    assert world.after(0) == 0
    # The caches know the field, and not who wrote it.
    assert [each.field for each in world.children.contested["demo"]] == ["spec.type"]
