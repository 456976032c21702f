"""Filling the caches, and finding out what went unseen."""

from __future__ import annotations

import asyncio
import gc

import pytest
from structlog.testing import capture_logs

from model_operator.controller.watch.resync import Resync
from model_operator.kube.client import Object
from model_operator.kube.errors import ApiError
from model_operator.kube.resources import (
    CLUSTER_MODEL_TEMPLATES,
    DEPLOYMENTS,
    MODEL_INSTANCES,
    MODEL_TEMPLATES,
    SERVICES,
)
from tests.unit.controller import virtual_clock
from tests.unit.controller.objects import child, instance, template
from tests.unit.controller.world import World

KINDS = (MODEL_INSTANCES, MODEL_TEMPLATES, CLUSTER_MODEL_TEMPLATES, DEPLOYMENTS, SERVICES)


class Compared(World):
    """A world whose caches are compared with the API server."""

    def __init__(self, *namespaces: str) -> None:
        super().__init__(namespaces=namespaces)
        self.signs = 0
        self.resync = Resync(self.api, self.state, self.triggers, self.scope, KINDS, self._sign)

    def _sign(self) -> None:
        self.signs += 1

    def fill(self, *objects: Object) -> None:
        for obj in objects:
            self.api.put(obj)
        asyncio.run(self.resync.fill())
        self.queued()

    def run(self, seconds: float) -> None:
        """Let the comparisons go on for so long."""

        async def main() -> None:
            async with asyncio.timeout(seconds):
                await self.resync.run(600)

        with pytest.raises(TimeoutError):
            virtual_clock.run(main())

    def cached(self) -> list[str]:
        return [
            f"{obj['kind']}/{obj['metadata']['name']}" for kind in KINDS for obj in self.state.cache_of(kind)
        ]


DEMO = instance("demo")
DEPLOYMENT, SERVICE = child("demo", owner=DEMO), child("demo", owner=DEMO, kind="Service")


def test_filling() -> None:
    world = Compared()
    world.fill(DEMO, template("embed"), template("base", namespace="", uid="t2"), DEPLOYMENT, SERVICE)

    assert world.cached() == [
        "ModelInstance/demo",
        "ModelTemplate/embed",
        "ClusterModelTemplate/base",
        "Deployment/demo",
        "Service/demo",
    ]


def test_filling_from_some_namespaces() -> None:
    world = Compared("team", "other")
    elsewhere = (instance("demo", namespace=name, uid=name) for name in ("other", "third"))
    world.fill(DEMO, *elsewhere, template("base", namespace="", uid="t2"))

    assert world.cached() == ["ModelInstance/demo", "ModelInstance/demo", "ClusterModelTemplate/base"]


def test_filling_tells_the_version_of_each_list() -> None:
    world = Compared("team", "other")
    world.api.put(DEMO)

    versions = asyncio.run(world.resync.fill())

    assert [(listed.kind.kind, listed.namespace) for listed in versions] == [
        ("ModelInstance", "team"),
        ("ModelInstance", "other"),
        ("ModelTemplate", "team"),
        ("ModelTemplate", "other"),
        ("ClusterModelTemplate", ""),
        ("Deployment", "team"),
        ("Deployment", "other"),
        ("Service", "team"),
        ("Service", "other"),
    ]
    assert list(versions.values()) == sorted(versions.values(), key=int)


def test_caches_are_not_taken_for_full_when_a_list_cannot_be_read() -> None:
    world = Compared()
    world.api.refusals["list Service"] = (403, {"message": "may not"})

    with pytest.raises(ApiError):
        world.fill(DEMO)


def test_what_goes_between_two_attempts_to_fill_is_not_kept() -> None:
    world = Compared()
    world.api.refusals["list Service"] = (503, {"message": "away"})
    with pytest.raises(ApiError):
        world.fill(DEMO, DEPLOYMENT, SERVICE)
    world.api.refusals.clear()
    world.api.remove(DEPLOYMENT)
    world.fill()

    assert world.cached() == ["ModelInstance/demo", "Service/demo"]


def test_filling_leaves_the_garbage_collector_as_it_was() -> None:
    world = Compared()
    before = gc.get_freeze_count()
    world.api.refusals["list Service"] = (503, {"message": "away"})
    with pytest.raises(ApiError):
        world.fill(DEMO)
    assert gc.isenabled()
    assert gc.get_freeze_count() == before, "what failed is no reason to keep anything"
    world.api.refusals.clear()
    try:
        world.fill(DEMO)
        assert gc.isenabled()
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()


def test_what_went_unseen_is_forgotten_and_acted_upon() -> None:
    world = Compared()
    world.fill(DEMO, DEPLOYMENT, SERVICE)
    world.api.remove(SERVICE)

    with capture_logs() as logs:
        asyncio.run(world.resync.prune())

    assert world.cached() == ["ModelInstance/demo", "Deployment/demo"]
    assert world.queued() == {"ModelInstance/demo"}
    assert [(entry["event"], entry["kind"]) for entry in logs] == [
        ("object deleted while not watched", "Service")
    ]


def test_nothing_is_forgotten_that_is_there() -> None:
    world = Compared()
    world.fill(DEMO, template("embed"), DEPLOYMENT, SERVICE)

    asyncio.run(world.resync.prune())

    assert len(world.cached()) == 4
    assert world.queued() == set()


def test_a_namesake_is_not_what_was_there() -> None:
    world = Compared()
    world.fill(DEMO)
    world.api.put(instance("demo", uid="i2"))

    asyncio.run(world.resync.prune())

    assert world.cached() == []


@pytest.mark.parametrize("refusal", [(403, {"message": "may not"}), (503, {}), (410, {"message": "expired"})])
def test_one_kind_that_cannot_be_listed_keeps_no_other_from_being_compared(
    refusal: tuple[int, dict[str, str]],
) -> None:
    world = Compared()
    world.fill(DEMO, template("embed"), DEPLOYMENT, SERVICE)
    for gone in (template("embed"), DEPLOYMENT, SERVICE):
        world.api.remove(gone)
    world.api.refusals["list Deployment"] = refusal

    with capture_logs() as logs:
        asyncio.run(world.resync.prune())

    assert world.cached() == ["ModelInstance/demo", "Deployment/demo"], "what was not listed is not gone"
    assert [entry["kind"] for entry in logs if entry["event"] == "resync failed"] == ["Deployment"]


def test_what_changes_during_the_comparison_is_not_taken_for_gone() -> None:
    world = Compared()
    world.fill(DEPLOYMENT)
    world.api.remove(DEPLOYMENT)
    # Deleted and made anew, which the watch tells while the list is under way.
    world.api.before["list Deployment"] = lambda: world.triggers.observe(
        DEPLOYMENTS,
        "MODIFIED",
        {**DEPLOYMENT, "metadata": {**DEPLOYMENT["metadata"], "resourceVersion": "9999"}},
    )

    asyncio.run(world.resync.prune())

    assert world.cached() == ["Deployment/demo"]


def test_again_and_again() -> None:
    world = Compared()
    world.fill(DEMO, DEPLOYMENT)
    listed: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        world.api.before["list Deployment"] = lambda: listed.append(loop.time())
        async with asyncio.timeout(2000):
            await world.resync.run(600)

    with pytest.raises(TimeoutError):
        virtual_clock.run(main())

    assert listed == [600, 1200, 1800]
    assert world.queued() == {"ModelInstance/demo"}


def test_what_could_not_be_listed_is_compared_again_before_long_and_nothing_else() -> None:
    world = Compared()
    world.fill(DEMO, DEPLOYMENT, SERVICE)
    world.api.remove(DEPLOYMENT)
    listed: list[tuple[str, float]] = []

    def note(kind: str) -> None:
        listed.append((kind, asyncio.get_running_loop().time()))
        if listed[-1][1] > 610:
            world.api.refusals.clear()

    world.api.before["list Deployment"] = lambda: note("Deployment")
    world.api.before["list Service"] = lambda: note("Service")
    world.api.refusals["list Deployment"] = (503, {})
    with capture_logs():
        world.run(700)

    assert listed == [
        ("Deployment", 600),
        ("Service", 600),
        ("Deployment", 602),
        ("Deployment", 606),
        ("Deployment", 614),
    ]
    assert world.cached() == ["ModelInstance/demo", "Service/demo"]


def test_what_a_watch_has_listed_anew_is_compared_at_once_and_nothing_else() -> None:
    world = Compared()
    world.fill(DEMO, DEPLOYMENT, SERVICE)
    listed: list[tuple[str, float]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        world.api.before["list Deployment"] = lambda: listed.append(("Deployment", loop.time()))
        world.api.before["list Service"] = lambda: listed.append(("Service", loop.time()))
        for time in (100, 100.5, 101):
            loop.call_at(time, world.resync.relisted, DEPLOYMENTS)
        loop.call_at(100, world.api.remove, DEPLOYMENT)
        async with asyncio.timeout(500):
            await world.resync.run(600)

    with pytest.raises(TimeoutError):
        virtual_clock.run(main())

    assert listed == [("Deployment", 102)]
    assert world.cached() == ["ModelInstance/demo", "Service/demo"]


def test_comparing_in_between_takes_no_watch_for_silent() -> None:
    world = Compared()
    world.fill(DEMO)
    world.api.put(instance("unheard", uid="i2"))
    for _ in range(3):
        asyncio.run(world.resync.prune([MODEL_INSTANCES]))

    assert world.resync.silent is None


def test_a_watch_that_tells_nothing_of_what_is_there_is_noticed_by_the_second_comparison() -> None:
    world = Compared()
    world.fill(DEMO, DEPLOYMENT)
    world.api.put(instance("unheard", uid="i2"))

    asyncio.run(world.resync.prune())
    assert world.resync.silent is None, "the watch may be about to tell"
    asyncio.run(world.resync.prune())
    assert world.resync.silent is MODEL_INSTANCES


def test_a_watch_that_is_behind_with_ever_newer_versions_is_not_silent() -> None:
    world = Compared()
    world.fill(DEMO, DEPLOYMENT)
    for _ in range(5):
        changed = world.api.put(DEPLOYMENT)
        asyncio.run(world.resync.prune())
        world.triggers.observe(DEPLOYMENTS, "MODIFIED", changed)

    assert world.resync.silent is None


def test_what_is_not_to_be_served_is_not_missed() -> None:
    world = Compared()
    world.scope._excluded.append("theirs")
    world.fill(DEMO)
    world.api.put(instance("demo", namespace="theirs", uid="i2"))
    for _ in range(3):
        asyncio.run(world.resync.prune())

    assert world.resync.silent is None


def test_only_a_comparison_of_everything_is_a_sign_of_life() -> None:
    world = Compared()
    world.fill(DEMO)
    asyncio.run(world.resync.prune())
    assert world.signs == 1
    world.api.refusals["list Deployment"] = (503, {})
    with capture_logs():
        asyncio.run(world.resync.prune())
    assert world.signs == 1
