"""What instances that are gone have left goes, once the garbage collector has had its time."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.controller.reconcile.grace import GracePeriods
from model_operator.controller.reconcile.instances import InstanceReconciler
from model_operator.controller.reconcile.stale_children import (
    GC_GRACE_SECONDS,
    GC_GRACE_WITHOUT_OWNER,
    StaleChildCollector,
)
from model_operator.core.templates.parsing import parse_instance
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.kube.client import Object
from model_operator.kube.errors import NotFoundError, error_for
from tests.unit.controller.fake_api import FakeApi
from tests.unit.controller.fake_scheduler import FakeScheduler
from tests.unit.controller.objects import child, instance
from tests.unit.controller.world import World

DEMO, EARLIER = instance("demo", uid="i2"), instance("demo", uid="i1")


class StaleChildren(World):
    """An instance of the name, or none, and children of an earlier one."""

    def __init__(self, *children: Object, namesake: Object | None = DEMO) -> None:
        super().__init__()
        self.time = 100.0
        self.instance = parse_instance(namesake)[0] if namesake else None
        for obj in (*([namesake] if namesake else []), *children):
            self.put(obj)
        self.leftovers = StaleChildCollector(self.api, self.state, lambda: self.time)

    async def look(self, seconds: float = 0) -> float | None:
        self.time += seconds
        return await self.leftovers.clear(("team", "demo"), self.instance)


def left(name: str = "demo", kind: str = "Deployment", **metadata: Any) -> Object:
    obj = child(name, owner=EARLIER, kind=kind)
    return {**obj, "metadata": {**obj["metadata"], "uid": f"uid-{kind}-{name}", **metadata}}


@pytest.mark.parametrize(
    ("namesake", "patience", "kept"),
    [
        pytest.param(DEMO, GC_GRACE_SECONDS, child("demo-c", owner=DEMO), id="with a namesake"),
        pytest.param(None, GC_GRACE_WITHOUT_OWNER, child("demo-o", label="demo"), id="later without"),
    ],
)
async def test_the_garbage_collector_has_its_time_and_then_it_goes(
    namesake: Object | None, patience: float, kept: Object
) -> None:
    world = StaleChildren(left(), left("demo-b", "Service"), kept, namesake=namesake)

    assert await world.look() == patience
    assert await world.look(patience - 1) == 1
    assert world.api.writes == []
    assert await world.look(1) == patience
    assert world.api.writes == ["delete Deployment demo", "delete Service demo-b"]


@pytest.mark.parametrize(
    ("finalizers", "deleted"),
    [
        (["foregroundDeletion"], ["delete Deployment demo"]),
        (["foregroundDeletion", "team/other"], ["delete Deployment demo"]),
        (["orphan"], []),
        (["foregroundDeletion", "orphan"], []),
        (["team/other"], []),
    ],
)
async def test_a_deletion_that_waits_for_its_children_gets_them_deleted(
    finalizers: list[str], deleted: list[str]
) -> None:
    leaving = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": finalizers}
    terminating = {**DEMO, "metadata": {**DEMO["metadata"], **leaving}}
    world = StaleChildren(child("demo", owner=DEMO), namesake=terminating)
    world.api.put(terminating)

    await world.look()
    await world.look(GC_GRACE_SECONDS - 1)
    assert world.api.writes == []
    await world.look(1)
    assert world.api.writes == deleted


async def test_children_stay_when_the_cache_is_stale_and_their_instance_is_not_terminating() -> None:
    leaving = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["foregroundDeletion"]}
    world = StaleChildren(
        child("demo", owner=DEMO), namesake={**DEMO, "metadata": {**DEMO["metadata"], **leaving}}
    )
    world.api.put(DEMO)

    await world.look()
    await world.look(GC_GRACE_SECONDS)
    assert world.api.writes == []


async def test_nothing_is_asked_where_nothing_is_left() -> None:
    others = child("demo", owner=instance("other", uid="i3"))
    world = StaleChildren(child("demo", owner=DEMO), others, child("demo-o", label="demo"))

    assert await world.look() is None
    assert await world.look(1000) is None


async def test_each_time_has_its_own_patience() -> None:
    world = StaleChildren(left())
    await world.look()
    world.state.children["Deployment"].remove(left(resourceVersion="9999"))
    assert await world.look(GC_GRACE_SECONDS) is None
    world.state.children["Deployment"].put(left("demo-b", resourceVersion="10000"))

    assert await world.look() == GC_GRACE_SECONDS


async def test_nothing_goes_when_the_cache_is_behind_and_a_later_namesake_has_it() -> None:
    world = StaleChildren(left())
    world.api.put(instance("demo", uid="i1"))
    await world.look()
    await world.look(GC_GRACE_SECONDS)

    assert world.api.writes == []


async def test_what_is_leaving_already_is_left_alone() -> None:
    world = StaleChildren(left(deletionTimestamp="2026-01-01T00:00:00Z"))

    assert await world.look() is None
    assert await world.look(GC_GRACE_SECONDS) is None
    assert world.api.writes == []


async def test_what_has_changed_since_it_was_seen_is_left_alone() -> None:
    world = StaleChildren(left(), namesake=None)
    orphaned = left()
    orphaned["metadata"]["ownerReferences"] = []
    world.api.put(orphaned)
    await world.look()

    assert await world.look(GC_GRACE_WITHOUT_OWNER) == GC_GRACE_WITHOUT_OWNER
    assert world.api.writes == []


async def test_a_refusal_for_one_is_none_for_the_others() -> None:
    world = StaleChildren(left(), left("demo-b", "Service"), namesake=None)
    world.api.refusals["delete Deployment demo"] = (403, {})
    await world.look()
    await world.look(GC_GRACE_WITHOUT_OWNER)

    assert world.api.writes == ["delete Service demo-b"]


async def test_news_between_two_attempts_ask_nothing() -> None:
    world = StaleChildren(left(), namesake=None)
    world.api.refusals["get ModelInstance demo"] = (503, {})
    await world.look()
    await world.look(GC_GRACE_WITHOUT_OWNER)
    world.api.refusals.clear()

    assert await world.look(10) == GC_GRACE_WITHOUT_OWNER - 10
    assert world.api.writes == []


@pytest.mark.parametrize("request_", ["get ModelInstance demo", "delete Deployment demo"])
async def test_a_refusal_is_no_end(request_: str) -> None:
    world = StaleChildren(left())
    world.api.refusals[request_] = (503, {})
    await world.look()
    assert await world.look(GC_GRACE_SECONDS) == GC_GRACE_SECONDS
    world.api.refusals.clear()
    await world.look(GC_GRACE_SECONDS)

    assert world.api.writes == ["delete Deployment demo"]


async def test_nothing_goes_when_the_cache_is_behind_and_the_instance_is_there() -> None:
    world = StaleChildren(left(), namesake=None)
    world.api.put(EARLIER)
    await world.look()

    assert await world.look(GC_GRACE_WITHOUT_OWNER) == GC_GRACE_WITHOUT_OWNER
    assert world.api.writes == []


@pytest.mark.parametrize(
    "answer", [{"reason": "NotFound", "message": "the server could not find the requested resource"}, {}]
)
async def test_nothing_goes_when_the_server_knows_nothing_of_instances(answer: Object) -> None:
    world = StaleChildren(left(), namesake=None)
    world.api.refusals["get ModelInstance demo"] = (404, answer)
    await world.look()

    assert await world.look(GC_GRACE_WITHOUT_OWNER) == GC_GRACE_WITHOUT_OWNER
    assert world.api.writes == []


@pytest.mark.parametrize("namesake", [DEMO, None])
async def test_what_has_another_owner_is_kept_for_that(namesake: Object | None) -> None:
    kept = left()
    kept["metadata"]["ownerReferences"].append(
        {"apiVersion": "v1", "kind": "ConfigMap", "uid": "c1", "name": "c"}
    )
    world = StaleChildren(kept, namesake=namesake)

    assert await world.look() is None
    assert await world.look(GC_GRACE_WITHOUT_OWNER) is None
    assert world.api.writes == []


async def test_the_instance_of_another_group_is_not_ours() -> None:
    other = left()
    other["metadata"]["ownerReferences"][0]["apiVersion"] = "example.com/v1"

    assert await StaleChildren(other, namesake=None).look() is None


async def test_a_reconciler_looks_again_at_what_an_instance_has_left() -> None:
    state, scheduler = ClusterState(), FakeScheduler()
    state.children["Deployment"].put(left())
    reconciler = InstanceReconciler(FakeApi(), state, RenderSettings(), scheduler, lambda _: None)

    assert await reconciler.reconcile("team", "demo") is None
    ((namespace, name, delay),) = scheduler.delayed
    assert (namespace, name) == ("team", "demo")
    assert delay == pytest.approx(GC_GRACE_WITHOUT_OWNER, abs=1)


class GoneApi(FakeApi):
    """Knows no status of any instance."""

    answer: Object

    async def patch_status(self, *_: Any) -> Object:
        raise error_for(404, self.answer, "PATCH")


@pytest.mark.parametrize(
    ("answer", "is_known"),
    [
        ({"reason": "NotFound", "details": {"name": "demo", "kind": "modelinstances"}}, False),
        ({"reason": "NotFound", "message": "the server could not find the requested resource"}, True),
        ({"message": "404 page not found"}, True),
    ],
)
async def test_an_instance_that_the_server_does_not_have_is_forgotten(
    answer: Object, *, is_known: bool
) -> None:
    api, state = GoneApi(), ClusterState()
    scheduler = FakeScheduler()
    api.answer = answer
    state.instances.put(instance("demo", bound="t1"))
    reconciler = InstanceReconciler(
        api, state, RenderSettings(), scheduler, lambda _: None, grace=GracePeriods(0)
    )
    with pytest.raises(NotFoundError):
        await reconciler.reconcile("team", "demo")

    assert (state.instances.get("team", "demo") is not None) is is_known
    assert scheduler.counted == ([] if is_known else ["t1"])
    assert scheduler.delayed == ([] if is_known else [("team", "demo", 0)])
