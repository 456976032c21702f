"""List and watch over an API server that closes watches, forgets versions, and is away for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from model_operator.kube import informer as subject
from model_operator.kube.errors import ApiUnavailableError, error_for
from model_operator.kube.informer import Informer
from model_operator.kube.resources import MODEL_INSTANCES

Event = tuple[str, dict[str, Any]]


def obj(name: str, version: int, namespace: str = "team-a") -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": name, "resourceVersion": str(version)}}


class FakeClient:
    """Lists what there is, and gives the events of each watch in turn; the last watch stays open."""

    def __init__(self, lists: list[Any], watches: list[Any]) -> None:
        self.lists = lists
        self.watches = watches
        self.versions: list[str] = []
        self.is_idle = asyncio.Event()

    async def pages(self, _kind: Any, _namespace: str = "", **_: Any) -> AsyncIterator[tuple[list[Any], str]]:
        found = self.lists.pop(0)
        if isinstance(found, Exception):
            raise found
        for items, version in found:
            yield items, version

    async def watch(
        self, _kind: Any, _namespace: str, resource_version: str, **_: Any
    ) -> AsyncIterator[Event]:
        self.versions.append(resource_version)
        if not self.watches:
            self.is_idle.set()
            await asyncio.Event().wait()
        found = self.watches.pop(0)
        for event in found:
            if isinstance(event, Exception):
                raise event
            yield event


class Informed:
    """An informer, and what it has passed on."""

    def __init__(self, lists: list[Any], watches: list[Any]) -> None:
        self.client = FakeClient(lists, watches)
        self.objects: dict[tuple[str, str], str] = {}
        self.removed: list[tuple[str, int]] = []
        self.renewals = 0
        self.now = 100.0
        client: Any = self.client
        self.informer = Informer(
            client,
            MODEL_INSTANCES,
            put=self._put,
            remove=self._remove,
            renew=self._renew,
            now=lambda: self.now,
        )

    def _put(self, each: Any) -> None:
        metadata = each["metadata"]
        self.objects[metadata["namespace"], metadata["name"]] = metadata["resourceVersion"]

    def _remove(self, namespace: str, name: str, version: int) -> None:
        self.objects.pop((namespace, name), None)
        self.removed.append((name, version))

    async def _renew(self) -> None:
        self.renewals += 1

    async def run(self) -> dict[str, str]:
        """Run until the last watch is open; return the versions of all objects."""
        task = asyncio.create_task(self.informer.run())
        try:
            async with asyncio.timeout(10):
                await self.client.is_idle.wait()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return {name: version for (_, name), version in self.objects.items()}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "_FIRST_DELAY", 0.001)


async def test_the_pages_of_a_list_and_then_the_changes() -> None:
    world = Informed(
        [[([obj("a", 1)], "5"), ([obj("b", 2)], "5")]],
        [[("MODIFIED", obj("a", 6)), ("ADDED", obj("c", 7)), ("DELETED", obj("b", 8))]],
    )
    assert not world.informer.has_listed
    assert await world.run() == {"a": "6", "c": "7"}
    assert world.client.versions == ["5", "8"]
    assert world.informer.has_listed


async def test_a_version_that_is_too_old_needs_a_list_which_also_tells_what_is_gone() -> None:
    gone = error_for(410, {}, "watch")
    world = Informed(
        [[([obj("a", 1), obj("b", 2)], "5")], [([obj("b", 9)], "10")]],
        [[("ADDED", obj("c", 7)), gone]],
    )
    assert await world.run() == {"b": "9"}
    assert world.client.versions == ["5", "10"]


async def test_an_object_that_cannot_be_read_is_left_out_alone() -> None:
    unreadable = obj("b", 2)
    del unreadable["metadata"]["resourceVersion"]
    later = obj("a", 7)
    world = Informed([[([obj("a", 1), unreadable, obj("c", 3)], "5")]], [[("MODIFIED", later)]])
    put = world._put

    def refuse_seventh(each: Any) -> None:
        if each["metadata"]["resourceVersion"] == "7":
            raise ValueError
        put(each)

    world.informer._put = refuse_seventh
    assert await world.run() == {"c": "3"}


async def test_an_api_server_that_is_away_changes_nothing() -> None:
    away = ApiUnavailableError(0, {"message": "refused"}, "watch")
    world = Informed([[([obj("a", 1)], "5")]], [[away], [away], [("MODIFIED", obj("a", 6))]])
    assert await world.run() == {"a": "6"}
    assert world.client.versions == ["5", "5", "5", "6"]


async def test_the_first_list_is_tried_again() -> None:
    away = ApiUnavailableError(503, {}, "list")
    world = Informed([away, [([obj("a", 1)], "5")]], [])
    assert await world.run() == {"a": "1"}


async def test_refused_credentials_are_read_again() -> None:
    world = Informed([error_for(401, {}, "list"), [([obj("a", 1)], "5")]], [])
    await world.run()
    assert world.renewals == 1


async def test_the_age_is_the_time_since_the_api_server_was_heard() -> None:
    world = Informed([[([], "5")]], [])
    assert world.informer.age() == 0
    await world.run()
    world.now += 30
    assert world.informer.age() == 30


async def test_a_deletion_has_the_version_as_of_which_the_object_is_gone() -> None:
    gone = error_for(410, {}, "watch")
    world = Informed([[([obj("a", 1), obj("b", 2)], "5")], [([], "10")]], [[("DELETED", obj("a", 8)), gone]])
    await world.run()
    assert world.removed == [("a", 8), ("b", 10)]
