"""No order of several changes is Stalled on the way, and what stays wrong is, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_operator.controller.metrics.instruments import Metrics
from model_operator.controller.reconcile.grace import GracePeriods
from model_operator.controller.reconcile.instances import InstanceReconciler
from model_operator.controller.reconcile.templates import TemplateReconciler
from model_operator.controller.reconcile.worker_pool import WorkerPool
from model_operator.controller.scope import Key
from model_operator.core.status.events import Event, EventType
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.kube.client import Object
from model_operator.kube.resources import CHILD_KINDS, MODEL_INSTANCES, MODEL_TEMPLATES, ResourceKind
from tests.unit.controller import virtual_clock
from tests.unit.controller.fake_api import FakeApi
from tests.unit.controller.objects import instance, template
from tests.unit.controller.world import World
from tests.unit.core.values.rfc7386 import apply_merge_patch

GRACE, LIMIT = 10.0, 15.0
SCHEMAS = [{"SIZE": {"type": "integer"}}, {"SIZE": {"type": "string"}}, {"NAME": {"type": "string"}}]
PARAMETERS: list[dict[str, Any]] = [{"SIZE": 8}, {"SIZE": "8"}, {"NAME": "x"}]
TYPES = ["EMBEDDING", "CHAT_COMPLETION"]
SERVICE: Object = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "demo", "namespace": "team"}}


@dataclass
class Server(FakeApi):
    """Notes when which conditions of the instance are written.

    Attributes
    ----------
    told
        Time, reason of Ready, and whether it is Stalled.
    """

    told: list[tuple[float, str, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    async def patch_status(
        self, kind: ResourceKind, _namespace: str, name: str, status: Mapping[str, Any], *_: str
    ) -> Object:
        live = self.find(kind.kind, name)
        assert live is not None
        stored = self.put(apply_merge_patch(live, {"status": dict(status)}))
        conditions = {each["type"]: each for each in stored["status"]["conditions"]}
        assert len(conditions.keys() & {"Ready", "Reconciling", "Stalled"}) == 2
        self.told.append((now(), conditions["Ready"]["reason"], "Stalled" in conditions))
        return stored


def now() -> float:
    return asyncio.get_running_loop().time()


class Templates:
    """Has nothing to do for templates."""

    async def reconcile(self, *_: Any) -> None: ...


class Scene:
    """One instance with its template, one foreign Service, and an operator that may be restarted.

    What is wanted of each object is a pair: the number of the schema and of the type, or of the parameters
    and of the type. None of a template is its absence.
    """

    def __init__(self) -> None:
        self.server = Server()
        self.warnings: list[tuple[float, str]] = []
        self.template: tuple[int, int] | None = (0, 0)
        self.instance = (0, 0)
        self.is_taken = False
        self._was_taken = False
        self._generations = 0
        self._uid = "t1"

    def start(self) -> None:
        """Start an operator that has no memory of an earlier one."""
        world = World(self.server)
        self.state, self.queue, self.triggers = world.state, world.queue, world.triggers
        reconciler = InstanceReconciler(
            self.server,
            self.state,
            RenderSettings(),
            self.triggers,
            self._record,
            grace=GracePeriods(GRACE, now),
        )
        workers = WorkerPool(self.queue, reconciler, cast("TemplateReconciler", Templates()), Metrics())
        for kind in (MODEL_TEMPLATES, *CHILD_KINDS, MODEL_INSTANCES):
            found = self.server.find(kind.kind, "embed" if kind is MODEL_TEMPLATES else "demo")
            # Others' objects have no label that the operator lists by.
            if found is not None and (kind not in CHILD_KINDS or found["metadata"].get("labels")):
                self.triggers.observe(kind, None, found)
        self.task = asyncio.create_task(workers.run(1))

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.queue.close()

    async def change(self, name: str, value: Any = None) -> None:
        if name == "restart":
            await self.stop()
            self.start()
        elif name == "instance":
            self.instance = value
            self._write(MODEL_INSTANCES, self._wanted_instance())
        elif name == "service":
            self._take(is_taken=value)
        elif value is None:
            self._drop_template()
        else:
            self._uid = self._uid if self.template is not None else f"t{self._generations + 2}"
            self.template = value
            self._write(MODEL_TEMPLATES, self._wanted_template())

    @property
    def is_right(self) -> bool:
        """Whether the instance can be deployed."""
        return self.template == self.instance and not self.is_taken

    def _record(self, events: Iterable[Event]) -> None:
        self.warnings += [(now(), each.reason) for each in events if each.type is EventType.WARNING]

    def _take(self, *, is_taken: bool) -> None:
        """Have a Service of others in the place of the instance's, once: more would be a contest; or none."""
        if is_taken is self.is_taken or (is_taken and self._was_taken):
            return
        self.is_taken, self._was_taken = is_taken, self._was_taken or is_taken
        live = self.server.find("Service", "demo")
        if live is not None:
            self.server.remove(live)
            self.state.children["Service"].remove(live)
        if is_taken:
            self.server.put(SERVICE)
        self.queue.add(Key("ModelInstance", "team", "demo"))

    def _drop_template(self) -> None:
        live = self.server.find("ModelTemplate", "embed")
        self.template = None
        if live is not None:
            self.server.remove(live)
            self.triggers.observe(MODEL_TEMPLATES, "DELETED", live)

    def _wanted_template(self) -> Object:
        assert self.template is not None
        schema, model_type = self.template
        obj = template("embed", uid=self._uid, generation=self._next())
        properties = SCHEMAS[schema]
        obj["spec"] |= {
            "model_type": TYPES[model_type],
            "model_creation_parameters_schema": {"type": "object", "properties": properties},
        }
        return obj

    def _wanted_instance(self) -> Object:
        parameters, model_type = self.instance
        obj = instance("demo")
        obj["metadata"]["generation"] = self._next()
        obj["spec"] |= {"model_creation_parameters": PARAMETERS[parameters], "model_type": TYPES[model_type]}
        live = self.server.find("ModelInstance", "demo")
        return {**obj, "status": (live or obj)["status"]}

    def _write(self, kind: ResourceKind, obj: Object) -> None:
        self.triggers.observe(kind, "MODIFIED", self.server.put(obj))

    def _next(self) -> int:
        self._generations += 1
        return self._generations


Change = tuple[float, str, Any]
"""Seconds since the one before, what changes, and what it is then."""


async def _live(changes: Sequence[Change], seconds: float) -> tuple[Scene, float]:
    """Make changes to a model that is right; return the world and when the last change was."""
    world = Scene()
    world.start()
    await world.change("template", (0, 0))
    await world.change("instance", (0, 0))
    await asyncio.sleep(60)
    for pause, name, value in changes:
        await asyncio.sleep(pause)
        await world.change(name, value)
    last = now()
    await asyncio.sleep(seconds)
    return world, last


async def _to_the_end(changes: Sequence[Change]) -> tuple[Scene, float]:
    world, last = await _live(changes, 400)
    await world.stop()
    return world, last


SHAPES = st.tuples(st.integers(0, len(SCHEMAS) - 1), st.integers(0, len(TYPES) - 1))
CHANGES = st.one_of(
    st.tuples(st.just("template"), st.none() | SHAPES),
    st.tuples(st.just("instance"), SHAPES),
    st.tuples(st.just("service"), st.booleans()),
    st.just(("restart", None)),
)


@given(
    changes=st.lists(CHANGES, min_size=1, max_size=5),
    final=SHAPES,
    order=st.permutations(["template", "instance", "service"]),
    pause=st.floats(0, 1.2),
)
@settings(max_examples=60, deadline=None)
def test_what_ends_right_in_time_is_never_stalled(
    changes: list[tuple[str, Any]], final: tuple[int, int], order: list[str], pause: float
) -> None:
    # Eight changes at most, within the grace period of the first.
    ending = [(name, False if name == "service" else final) for name in order]

    world, _ = virtual_clock.run(_to_the_end([(pause, *each) for each in [*changes, *ending]]))

    assert world.is_right
    assert [each for each in world.server.told if each[2]] == []
    assert world.warnings == []
    assert world.server.told[-1][1] == "Deploying"


@given(changes=st.lists(CHANGES, min_size=1, max_size=6), pause=st.floats(0, 1.2))
@settings(max_examples=60, deadline=None)
def test_what_stays_wrong_is_stalled_within_fifteen_seconds(
    changes: list[tuple[str, Any]], pause: float
) -> None:
    world, last = virtual_clock.run(_to_the_end([(pause, *each) for each in changes]))

    stalls = [(time, reason) for time, reason, is_stalled in world.server.told if is_stalled]
    assert len(stalls) == (0 if world.is_right else 1)
    assert world.warnings == stalls
    # Not earlier than the first change and the grace period.
    assert all(60 + GRACE <= time <= last + LIMIT for time, _ in stalls)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("instance", (1, 0)), "InvalidParameters"),
        (("template", (0, 1)), "ModelTypeMismatch"),
        (("template", None), "TemplateNotFound"),
        (("service", True), "NameConflict"),
    ],
)
def test_a_restart_says_nothing_else(change: tuple[str, Any], reason: str) -> None:
    async def main() -> tuple[Scene, float]:
        world, last = await _live([(0, *change)], 60)
        before = len(world.server.told)
        await world.change("restart")
        await asyncio.sleep(60)
        assert len(world.server.told) == before, "long Stalled stays Stalled"
        await world.stop()
        return world, last

    world, last = virtual_clock.run(main())

    assert world.server.told[-1] == (last + GRACE, reason, True)
    assert world.warnings == [(last + GRACE, reason)]


def test_a_restart_does_not_shorten_the_grace_period() -> None:
    world, last = virtual_clock.run(_to_the_end([(0, "instance", (1, 0)), (9, "restart", None)]))

    assert world.server.told[-1] == (last + GRACE, "InvalidParameters", True)


def test_a_change_of_either_object_begins_the_grace_period_anew() -> None:
    changes: list[Change] = [(0, "instance", (1, 0)), (60, "template", (2, 0)), (60, "instance", (0, 0))]

    world, last = virtual_clock.run(_to_the_end(changes))

    told = [(time - 60, is_stalled) for time, _, is_stalled in world.server.told if time >= 60]
    assert told == [(0, False), (10, True), (60, False), (70, True), (120, False), (130, True)]
    assert last == 180
