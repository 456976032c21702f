"""kopf's watchers call the handlers of their kind with each event, in order, and do nothing else with it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import kopf
import pytest
from kopf._cogs.aiokits import aiotoggles
from kopf._cogs.clients import watching
from kopf._cogs.structs import references
from kopf._core.reactor import queueing

from model_operator.controller.watch import kopf_dispatch
from model_operator.controller.watch.kopf_dispatch import dispatch_events_directly
from model_operator.kube.resources import DEPLOYMENTS, MODEL_INSTANCES, SERVICES, ResourceKind

LISTED = watching.Bookmark.LISTED


def event(name: str, kind: str | None = "MODIFIED") -> dict[str, Any]:
    return {"type": kind, "object": {"metadata": {"name": name, "uid": name}}}


class Watches:
    """kopf's watchers over a source of events, with handlers of two kinds.

    Attributes
    ----------
    events
        What the watch of any kind yields; an exception is raised.
    seen
        What the handlers got.
    processed
        The names of the objects that kopf processes itself.
    is_closed
        Whether the source was closed.
    """

    def __init__(self, *events: Any, failing: str = "") -> None:
        self.events = events
        self.seen: list[tuple[str, str | None, str]] = []
        self.processed: list[str] = []
        self.is_closed = False
        self._failing = failing
        vars(watching)["infinite_watch"] = self._source()
        registry = kopf.OperatorRegistry()
        for kind in (MODEL_INSTANCES, DEPLOYMENTS):
            self._handle(registry, kind)
        dispatch_events_directly(registry)

    def _source(self) -> Any:
        async def infinite_watch(**_: Any) -> AsyncIterator[Any]:
            try:
                for each in self.events:
                    if isinstance(each, Exception):
                        raise each
                    yield each
            finally:
                self.is_closed = True

        return infinite_watch

    def _handle(self, registry: kopf.OperatorRegistry, kind: ResourceKind) -> None:
        async def on_event(event: kopf.RawEvent, **_: Any) -> None:
            name = str(event["object"]["metadata"].get("name"))
            self.seen.append((kind.plural, event["type"], name))
            if name == self._failing:
                raise ValueError("refused")

        kopf.on.event(kind.group, kind.version, kind.plural, registry=registry, id=kind.plural)(on_event)

    async def watch(self, kind: ResourceKind, **toggles: Any) -> None:
        async def process(raw_event: Any, **_: Any) -> None:
            self.processed.append(raw_event["object"]["metadata"]["name"])

        await queueing.watcher(
            namespace=None,
            settings=kopf.OperatorSettings(),
            resource=references.Resource(kind.group, kind.version, kind.plural),
            processor=process,
            **toggles,
        )


@pytest.fixture(autouse=True)
def _kopf() -> Iterator[None]:
    module = vars(watching)
    before = module["infinite_watch"]
    yield
    module["infinite_watch"] = before


async def test_events_reach_the_handler_of_their_kind_in_order() -> None:
    watches = Watches(
        event("a", None), LISTED, event("b", "ADDED"), event("a"), event("b"), event("a", "DELETED")
    )

    await watches.watch(DEPLOYMENTS)

    assert watches.seen == [
        ("deployments", None, "a"),
        ("deployments", "ADDED", "b"),
        ("deployments", "MODIFIED", "a"),
        ("deployments", "MODIFIED", "b"),
        ("deployments", "DELETED", "a"),
    ]
    assert not watches.processed, "kopf makes no queue of an object"
    await watches.watch(MODEL_INSTANCES)
    assert {kind for kind, _, _ in watches.seen[5:]} == {"modelinstances"}


async def test_events_of_a_kind_without_handlers_stay_with_kopf() -> None:
    watches = Watches(event("a"), event("b"))

    await watches.watch(SERVICES)

    assert not watches.seen
    assert sorted(watches.processed) == ["a", "b"]


async def test_a_failing_handler_does_not_end_the_watch(capsys: pytest.CaptureFixture[str]) -> None:
    watches = Watches(event("a"), event("b"), event("c"), failing="b")

    await watches.watch(DEPLOYMENTS)

    assert [name for _, _, name in watches.seen] == ["a", "b", "c"]
    assert "a handler of watch events has failed" in "".join(capsys.readouterr())


async def test_a_mark_of_the_api_server_is_no_event() -> None:
    watches = Watches(
        {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "7"}}}, event("a", "ADDED")
    )

    await watches.watch(DEPLOYMENTS)

    assert watches.seen == [("deployments", "ADDED", "a")]


async def test_kopf_learns_that_the_list_has_ended() -> None:
    toggles = aiotoggles.ToggleSet(all)
    toggle = await toggles.make_toggle(name="listed")

    await Watches(event("a", None), LISTED).watch(
        DEPLOYMENTS, operator_indexed=toggles, resource_indexed=toggle
    )

    assert not list(toggles)


async def test_what_ends_kopf_s_watch_still_ends_it() -> None:
    watches = Watches(event("a"), watching.WatchingError("ended"), event("b"))

    with pytest.raises(watching.WatchingError, match="ended"):
        await watches.watch(DEPLOYMENTS)
    assert watches.seen == [("deployments", "MODIFIED", "a")]


async def test_a_cancelled_watch_closes_its_source() -> None:
    watches = Watches(*[event("a")] * 1000)
    task = asyncio.create_task(watches.watch(DEPLOYMENTS))
    await asyncio.sleep(0)
    assert watches.seen

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert watches.is_closed
    assert len(watches.seen) < 1000


@pytest.mark.parametrize(("seconds", "most"), [(0.0, 21), (0.0015, 2), (0.1, 1)])
async def test_other_tasks_have_their_turns_during_a_long_list(
    seconds: float, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = itertools.count()
    monkeypatch.setattr(kopf_dispatch, "perf_counter", lambda: next(ticks) * seconds)
    watches = Watches(*[event("a", None)] * 500)
    counts = []
    task = asyncio.create_task(watches.watch(DEPLOYMENTS))
    while not task.done():
        counts.append(len(watches.seen))
        await asyncio.sleep(0)

    assert counts[-1] == 500
    assert max(after - before for before, after in itertools.pairwise(counts)) <= most


async def test_the_handlers_of_the_latest_registry_get_the_events_alone() -> None:
    watches = Watches(event("a"))
    dispatch_events_directly(kopf.OperatorRegistry())

    await watches.watch(DEPLOYMENTS)

    assert not watches.seen
    assert watches.processed == ["a"]


def test_another_release_of_kopf_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(watching, "infinite_watch")

    with pytest.raises(RuntimeError, match="release of kopf"):
        dispatch_events_directly(kopf.OperatorRegistry())


def test_a_kopf_that_gets_its_events_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cast("Any", queueing), "watching", object())

    with pytest.raises(RuntimeError, match="release of kopf"):
        dispatch_events_directly(kopf.OperatorRegistry())
