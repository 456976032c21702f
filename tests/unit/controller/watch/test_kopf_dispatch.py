"""kopf passes each watch event to the handlers of its kind, and does nothing else with it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, cast

import kopf
import pytest
from kopf._cogs.aiokits import aiotoggles
from kopf._cogs.structs import references
from kopf._core.reactor import processing, running

from model_operator.controller.watch.kopf_dispatch import dispatch_events_directly
from model_operator.kube.resources import DEPLOYMENTS, MODEL_INSTANCES, SERVICES, ResourceKind

EVENT = {"type": "MODIFIED", "object": {"metadata": {"name": "one"}}}


@pytest.fixture(autouse=True)
def _dispatching() -> Iterator[None]:
    module = vars(processing)
    before = module["process_resource_event"]
    dispatch_events_directly()
    yield
    module["process_resource_event"] = before


def resource_of(kind: ResourceKind) -> references.Resource:
    return references.Resource(kind.group, kind.version, kind.plural)


class Handlers:
    """A registry with a handler for each of two kinds, and what they got."""

    def __init__(self, error: Exception | None = None) -> None:
        self.seen: list[tuple[str, Any]] = []
        self.registry = kopf.OperatorRegistry()
        for kind in (MODEL_INSTANCES, DEPLOYMENTS):
            self._watch(kind, error)

    def _watch(self, kind: ResourceKind, error: Exception | None) -> None:
        async def on_event(event: kopf.RawEvent, **_: Any) -> None:
            self.seen.append((kind.plural, event))
            if error is not None:
                raise error

        kopf.on.event(kind.group, kind.version, kind.plural, registry=self.registry, id=kind.plural)(on_event)

    def process(self, kind: ResourceKind, **more: Any) -> object:
        # By the name under which kopf's own code finds it when it starts.
        process = cast("Any", running).processing.process_resource_event
        arguments = {"settings": None, "memories": None, "consistency_time": None, **more}
        event = process(registry=self.registry, resource=resource_of(kind), raw_event=EVENT, **arguments)
        return asyncio.run(event)


def test_an_event_reaches_the_handler_of_its_kind_alone() -> None:
    handlers = Handlers()

    for kind in (DEPLOYMENTS, MODEL_INSTANCES, SERVICES):
        assert handlers.process(kind) is None
    assert handlers.seen == [("deployments", EVENT), ("modelinstances", EVENT)]


def test_a_failing_handler_does_not_end_the_watch(caplog: pytest.LogCaptureFixture) -> None:
    handlers = Handlers(ValueError("secret"))

    assert handlers.process(DEPLOYMENTS) is None
    assert handlers.seen


def test_kopf_learns_that_an_object_was_processed() -> None:
    async def process() -> bool:
        toggles = aiotoggles.ToggleSet(all)
        toggle = await toggles.make_toggle(name="one")
        handlers = Handlers()
        await cast("Any", processing).process_resource_event(
            registry=handlers.registry,
            resource=resource_of(DEPLOYMENTS),
            raw_event=EVENT,
            resource_indexed=toggle,
            operator_indexed=toggles,
        )
        return toggles.is_on()

    assert asyncio.run(process())


def test_another_release_of_kopf_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(processing, "process_resource_event")

    with pytest.raises(RuntimeError, match="release of kopf"):
        dispatch_events_directly()
