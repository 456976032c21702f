"""The labels of namespaces: read once a template selects by them, for as long as that is permitted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from model_operator.controller.cache.namespace_labels import Knowledge
from model_operator.controller.watch.namespace_watch import NamespaceWatch
from tests.unit.controller.objects import instance, template
from tests.unit.controller.world import KINDS, World

GOLD = {"tier": "gold"}
DEMO, EMBED = "ModelInstance/demo", "ClusterModelTemplate/embed"


def selecting(*names: str) -> dict[str, Any]:
    """Return a version of a ClusterModelTemplate that selects namespaces by a label, and by these names."""
    obj = template("embed", namespace="")
    allowed = {"from": "Selected", "selector": {"matchLabels": GOLD}}
    obj["spec"]["allowed_namespaces"] = {**allowed, **({"names": list(names)} if names else {})}
    return obj


class Namespaces:
    """The API server, as far as it is about namespaces."""

    def __init__(self) -> None:
        self.is_permitted = True
        self.requests: list[str] = []
        self.labels: dict[str, dict[str, str]] = {"team": GOLD, "other": {}}
        self.events: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()

    async def is_allowed(self, verb: str, *_: Any) -> bool:
        self.requests.append(f"may {verb}")
        return self.is_permitted

    async def pages(self, *_: Any, **selection: Any) -> AsyncIterator[tuple[list[Any], str]]:
        assert selection == {"metadata_only": True}
        self.requests.append("list")
        yield [self.namespace(name) for name in self.labels], "5"

    async def watch(self, *_: Any, **__: Any) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        self.requests.append("watch")
        while True:
            yield await self.events.get()

    def namespace(self, name: str) -> dict[str, Any]:
        return {"metadata": {"name": name, "resourceVersion": "5", "labels": self.labels.get(name, {})}}

    def change(self, name: str, labels: dict[str, str] | None) -> None:
        """Set the labels of a namespace, or delete it."""
        event = "DELETED" if labels is None else "MODIFIED"
        if labels is not None:
            self.labels[name] = labels
        self.events.put_nowait((event, self.namespace(name)))


class Watching:
    """An operator that watches namespaces while it must; `queued` takes what is to be reconciled."""

    def __init__(self) -> None:
        self.world, self.server = World(), Namespaces()
        client: Any = self.server
        self.watch = NamespaceWatch(client, self.world.triggers, self._renew, check_seconds=0.01)

    async def _renew(self) -> None:
        """Do nothing."""

    @property
    def knowledge(self) -> Knowledge:
        return self.world.state.namespaces.knowledge

    def see(self, obj: dict[str, Any], event: str = "ADDED") -> None:
        self.world.triggers.observe(KINDS[obj["kind"]], event, obj)

    async def queued(self) -> set[str]:
        found, queue = set(), self.world.queue
        while len(queue):
            key = await queue.get()
            queue.done(key)
            found.add(f"{key.kind}/{key.name}")
        return found

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.watch.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(is_met: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_met():  # noqa: ASYNC110 -- what it waits for sets no event
            await asyncio.sleep(0.001)


async def test_without_a_template_that_selects_by_labels_nothing_is_requested() -> None:
    operator = Watching()
    operator.see(template("embed", namespace=""))
    async with operator.running():
        for _ in range(20):
            await asyncio.sleep(0)
    assert (operator.server.requests, operator.knowledge) == ([], Knowledge.UNUSED)


async def test_the_first_selector_has_the_labels_read_and_what_waits_for_them_enqueued() -> None:
    operator = Watching()
    operator.see(instance("demo"))
    operator.see(selecting())
    assert operator.knowledge is Knowledge.AWAITED
    assert operator.world.state.labels_of("team") is None
    await operator.queued()
    async with operator.running():
        await until(lambda: operator.knowledge is Knowledge.KNOWN)
    assert await operator.queued() == {DEMO, EMBED}
    assert operator.world.state.labels_of("team") == GOLD


async def test_a_change_of_labels_enqueues_the_instances_whose_namespace_it_concerns() -> None:
    operator = Watching()
    operator.see(instance("demo"))
    operator.see(instance("elsewhere", namespace="other", uid="i2"))
    operator.see(instance("named", namespace="named", uid="i3"))
    operator.see(selecting("named"))
    async with operator.running():
        await until(lambda: operator.knowledge is Knowledge.KNOWN)
        await operator.queued()
        for name, labels in (("other", {"plain": "x"}), ("named", GOLD), ("team", {**GOLD, "more": "x"})):
            operator.server.change(name, labels)
        operator.server.change("other", GOLD)
        await until(lambda: len(operator.world.queue) > 1)
        assert await operator.queued() == {"ModelInstance/elsewhere", EMBED}, "of that namespace alone"
        operator.server.change("team", None)
        await until(lambda: len(operator.world.queue) > 1)
        assert await operator.queued() == {DEMO, EMBED}
    assert operator.world.state.labels_of("team") is None


async def test_a_permission_that_is_missing_or_taken_away_is_noticed() -> None:
    operator = Watching()
    operator.server.is_permitted = False
    operator.see(instance("demo"))
    operator.see(selecting())
    await operator.queued()
    async with operator.running():
        await until(lambda: operator.knowledge is Knowledge.FORBIDDEN)
        assert await operator.queued() == {DEMO, EMBED}
        assert "list" not in operator.server.requests
        operator.server.is_permitted = True
        await until(lambda: operator.knowledge is Knowledge.KNOWN)
        assert await operator.queued() == {DEMO, EMBED}
        operator.server.is_permitted = False
        await until(lambda: operator.knowledge is Knowledge.FORBIDDEN)
        assert await operator.queued() == {DEMO, EMBED}
    assert operator.world.state.labels_of("team") is None


async def test_the_watch_ends_with_the_last_template_that_selects_by_labels() -> None:
    operator = Watching()
    operator.see(selecting())
    async with operator.running():
        await until(lambda: operator.knowledge is Knowledge.KNOWN)
        operator.see(selecting(), "DELETED")
        await until(lambda: operator.knowledge is Knowledge.UNUSED)
        operator.server.requests.clear()
        operator.see({**selecting(), "metadata": {**selecting()["metadata"], "uid": "t9"}})
        await until(lambda: operator.knowledge is Knowledge.KNOWN)
    assert operator.server.requests[:4] == ["may list", "may watch", "list", "watch"]
