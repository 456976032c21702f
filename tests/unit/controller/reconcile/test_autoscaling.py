"""Turning autoscaling on and off, with the operator ending at any point: no wrong number."""

from __future__ import annotations

import asyncio
import copy
import itertools
from typing import Any

import pytest

from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.controller.reconcile.children import ChildSync
from model_operator.controller.reconcile.contention import Contests
from model_operator.core.reasons.refusals import Failure
from model_operator.core.rendering.render import render
from model_operator.core.templates.parsing import parse_instance, parse_template
from model_operator.kube.client import Object
from model_operator.kube.resources import CHILD_KINDS
from tests.unit.controller.fake_api import FakeApi, scale
from tests.unit.controller.objects import instance, template
from tests.unit.controller.world import World

AUTOSCALER = "HorizontalPodAutoscaler"
HELD = "force apply Deployment demo as model-operator-replicas"
BOUNDS = {"min_workers": 2, "max_workers": 6}
EXTERNAL = {"autoscaler": "EXTERNAL"}
EXTERNAL_FROM_ZERO = {"autoscaler": "EXTERNAL", "min_workers": 0}
QUEUE = {"min_workers": 0, "max_workers": 6, "scaling_metrics": [{"type": "EXTERNAL", "name": "queue"}]}


class CrashError(Exception):
    """The operator ends."""


class RecordingApi(FakeApi):
    """Keeps every number of workers that the Deployment had, and ends the operator before a given request."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: list[int] = []
        self.requests_left: int | None = None

    def put(self, obj: Object) -> Object:
        if obj["kind"] == "Deployment":
            number = obj["spec"]["replicas"]
            self.numbers += [] if self.numbers[-1:] == [number] else [number]
        return super().put(obj)

    def _judge(self, request: str) -> None:
        if self.requests_left is not None:
            if self.requests_left == 0:
                raise CrashError
            self.requests_left -= 1
        super()._judge(request)


class Autoscaled(World):
    """The instance `demo`, and operators that look at it; each new one begins with what the server has."""

    def __init__(self, endpoint: dict[str, Any], replicas: int | None = None) -> None:
        self.recorded = RecordingApi()
        super().__init__(self.recorded)
        self.instance = instance("demo")
        self.api.put(self.instance)
        self.want(endpoint, replicas)
        self.restart()

    def want(self, endpoint: dict[str, Any], replicas: int | None = None, **more: Any) -> None:
        given = template("embed")
        given["spec"]["vendor_configuration"]["endpoint_config"] = endpoint
        spec = {**self.instance["spec"], "replicas": replicas, **more}
        self.rendering = render(parse_template(given), parse_instance({**self.instance, "spec": spec})[0])

    def restart(self) -> None:
        self.state = ClusterState()
        for kind in CHILD_KINDS:
            found = self.api.find(kind.kind, "demo")
            if found is not None:
                self.cache(found)
        self.children = ChildSync(self.api, self.state, report=lambda _: None, contests=Contests(self.api))

    def sync(self) -> dict[str, Failure]:
        parsed, _ = parse_instance(self.instance)
        return asyncio.run(self.children.sync(parsed, self.rendering))

    def settle(self) -> list[str]:
        """Look until nothing is left to do; return the writes."""
        self.api.writes.clear()
        writes: list[str] = []
        while True:
            assert self.sync() == {}
            writes += self.api.writes
            if not self.api.writes:
                return writes
            self.api.writes.clear()
            self.restart()

    def scale(self, workers: int) -> None:
        live = self.live()
        self.put(scale(live, workers))

    def live(self, kind: str = "Deployment") -> Object:
        found = self.api.find(kind, "demo")
        assert found is not None
        return found

    def owners(self) -> set[str]:
        return {owner["manager"] for owner in self.live()["metadata"]["managedFields"]}


def test_a_new_deployment_begins_with_the_least_and_its_number_is_let_go() -> None:
    world = Autoscaled(BOUNDS)

    assert world.settle() == [
        "apply Service demo",
        "apply Deployment demo",
        HELD,
        "force apply Deployment demo",
        "apply PodDisruptionBudget demo",
        f"apply {AUTOSCALER} demo",
    ]
    assert world.recorded.numbers == [2]
    assert world.owners() == {"model-operator-replicas"}


def test_what_the_autoscaler_chooses_is_no_drift() -> None:
    world = Autoscaled(BOUNDS)
    world.settle()
    world.scale(5)

    assert world.settle() == []


def test_other_bounds_are_the_autoscalers_alone_unless_there_are_too_few_workers() -> None:
    world = Autoscaled(BOUNDS)
    world.settle()
    world.scale(5)

    world.want({"min_workers": 3, "max_workers": 9})
    assert world.settle() == [f"force apply {AUTOSCALER} demo"]
    world.want({"min_workers": 6, "max_workers": 9})
    # The Deployment differs by the revision of its template alone, which is written beside something else.
    assert world.settle() == [HELD, "force apply Deployment demo", f"force apply {AUTOSCALER} demo"]
    assert world.recorded.numbers == [2, 5, 6]


def test_the_autoscaler_goes_before_the_deployment_gets_its_number() -> None:
    world = Autoscaled(BOUNDS)
    world.settle()
    world.scale(5)
    world.want(BOUNDS, replicas=3)

    assert world.settle() == [f"delete {AUTOSCALER} demo", "force apply Deployment demo"]
    assert world.recorded.numbers == [2, 5, 3]


STORIES: dict[str, tuple[list[tuple[dict[str, Any], int | None, int | None]], list[int]]] = {
    # What is wanted and what the autoscaler then makes of it, one after the other; the numbers of workers.
    "a new one": ([(BOUNDS, None, None)], [2]),
    "on": ([({}, 4, None), (BOUNDS, None, None)], [4]),
    "on from too few": ([({}, 1, None), (BOUNDS, None, None)], [1, 2]),
    "on from none": ([({}, 0, None), (BOUNDS, None, None)], [0, 2]),
    "on from too many": ([({}, 9, None), (BOUNDS, None, None)], [9]),
    "off, fewer": ([(BOUNDS, None, 5), (BOUNDS, 3, None)], [2, 5, 3]),
    "off, the same": ([(BOUNDS, None, 5), (BOUNDS, 5, None)], [2, 5]),
    "off, more": ([(BOUNDS, None, 5), ({"min_workers": 7}, None, None)], [2, 5, 7]),
    "off before it did anything": ([(BOUNDS, None, None), ({"min_workers": 2}, None, None)], [2]),
    "off and on": ([(BOUNDS, None, 5), (BOUNDS, 4, None), (BOUNDS, None, None)], [2, 5, 4]),
    "on and off": ([({}, 4, None), (BOUNDS, None, None), ({}, 4, None)], [4]),
    "external from the beginning": ([(EXTERNAL, None, 0), (EXTERNAL, None, 3)], [1, 0, 3]),
    "external from nothing": ([(EXTERNAL_FROM_ZERO, None, None), (EXTERNAL_FROM_ZERO, None, 4)], [0, 4]),
    "fixed, then external": ([({}, 4, None), (EXTERNAL, None, 0)], [4, 0]),
    "external, then fixed": ([(EXTERNAL, None, 6), (EXTERNAL, 3, None), (EXTERNAL, None, None)], [1, 6, 3]),
    "ours, then external": ([(BOUNDS, None, 5), (EXTERNAL, None, 7)], [2, 5, 7]),
    "external, then ours": ([(EXTERNAL, None, 5), (BOUNDS, None, None)], [1, 5]),
    "external at zero, then ours": ([(EXTERNAL, None, 0), (BOUNDS, None, None)], [1, 0, 2]),
    "off, then external": ([({}, 0, None), (EXTERNAL, None, None)], [0, 1]),
    "off, then external from zero": ([({}, 0, None), (EXTERNAL_FROM_ZERO, None, 2)], [0, 2]),
    "from zero by a queue": ([(QUEUE, None, 0), (QUEUE, None, None), (QUEUE, None, 3)], [1, 0, 3]),
    "off, then from zero by a queue": ([({}, 0, None), (QUEUE, None, None)], [0, 1]),
    "other bounds": ([(BOUNDS, None, 5), ({"min_workers": 3, "max_workers": 4}, None, None)], [2, 5]),
}


@pytest.mark.parametrize(("steps", "numbers"), STORIES.values(), ids=STORIES.keys())
def test_an_operator_that_ends_before_any_request_changes_no_number(
    steps: list[tuple[dict[str, Any], int | None, int | None]], numbers: list[int]
) -> None:
    for before in itertools.count():
        world = Autoscaled(*steps[0][:2])
        ended = False
        for endpoint, replicas, chosen in steps:
            world.want(endpoint, replicas)
            # It ends once in each step, as long as the step has so many requests.
            world.recorded.requests_left = before
            try:
                world.sync()
            except CrashError:
                ended = True
            world.recorded.requests_left = None
            world.restart()
            world.settle()
            if chosen is not None:
                world.scale(chosen)
        assert world.recorded.numbers == numbers, f"after an end before request {before}"
        last = world.rendering.deployments[0]
        assert (world.api.find(AUTOSCALER, "demo") is not None) == (last.autoscaler is not None)
        assert ("model-operator" in world.owners()) == ("replicas" in last.deployment.manifest["spec"])
        if not ended:
            return


def test_a_number_that_changes_while_it_is_handed_over_is_read_again() -> None:
    world = Autoscaled({}, 4)
    world.settle()
    world.want(BOUNDS)
    raised = iter([5])

    def somebody_scales() -> None:
        for workers in raised:
            world.api.put(scale(world.live(), workers))

    world.api.before[HELD.removeprefix("force ")] = somebody_scales

    world.settle()

    assert world.recorded.numbers == [4, 5]


def test_a_deployment_that_never_stands_still_is_looked_at_again() -> None:
    world = Autoscaled({}, 4)
    world.settle()
    world.want(BOUNDS)
    # Such as its status, time and again.
    world.api.before[HELD.removeprefix("force ")] = lambda: world.api.put(world.live())

    told = world.sync()

    assert told["demo"].detail == "Deployment demo changed during the update; retrying."
    assert world.owners() == {"model-operator"}
    assert world.api.find(AUTOSCALER, "demo") is None


@pytest.mark.parametrize("kind", ["PodDisruptionBudget", AUTOSCALER])
def test_the_model_serves_though_the_name_of_what_only_helps_is_taken(kind: str) -> None:
    world = Autoscaled(BOUNDS)
    theirs = world.api.put({"kind": kind, "metadata": {"name": "demo", "namespace": "team"}, "spec": {}})

    told = world.sync()["demo"]

    assert (told.reason.name, told.detail) == (
        "NameConflict",
        f"{kind} demo already exists and is not owned by this instance.",
    )
    assert world.live(kind) == theirs
    (other,) = {"PodDisruptionBudget", AUTOSCALER} - {kind}
    for expected in ("Service", "Deployment", other):
        assert world.live(expected)["metadata"]["ownerReferences"]


def test_of_several_things_in_the_way_the_worst_is_told() -> None:
    world = Autoscaled(BOUNDS)
    world.api.refusals["apply PodDisruptionBudget demo"] = (503, {})
    world.api.refusals[f"apply {AUTOSCALER} demo"] = (422, {"message": "spec.metrics: Invalid"})

    assert world.sync()["demo"].reason.name == "DeploymentRejected"


@pytest.mark.parametrize("is_behind", [False, True], ids=["the cache knows", "the cache is behind"])
@pytest.mark.parametrize(
    ("edit", "refusal", "told"),
    [
        ({"finalizers": ["example.com/hold"]}, None, f"{AUTOSCALER} demo is still being deleted."),
        (
            {"deletionTimestamp": "now", "finalizers": ["example.com/hold"]},
            None,
            f"{AUTOSCALER} demo is still being deleted.",
        ),
        (
            {},
            (403, {"message": "may not"}),
            f"Cannot delete {AUTOSCALER} demo: may not.",
        ),
    ],
    ids=["held", "leaving", "refused"],
)
def test_an_autoscaler_that_stays_keeps_the_number(
    edit: dict[str, Any], refusal: tuple[int, dict[str, Any]] | None, told: str, is_behind: bool
) -> None:
    world = Autoscaled(BOUNDS)
    world.settle()
    world.scale(5)
    autoscaler = copy.deepcopy(world.live(AUTOSCALER))
    autoscaler["metadata"] |= edit
    world.api.put(autoscaler)
    if not is_behind:
        world.restart()
    if refusal:
        world.api.refusals[f"delete {AUTOSCALER} demo"] = refusal
    world.want({**BOUNDS, "startup_timeout_seconds": 60}, replicas=3)

    assert world.sync()["demo"].detail == told

    live = world.live()
    assert live["spec"]["progressDeadlineSeconds"] == 60, "everything else is as wanted"
    assert world.recorded.numbers == [2, 5]
    world.api.refusals.clear()
    if world.api.find(AUTOSCALER, "demo") and not refusal:
        world.api.remove(autoscaler)
    world.restart()
    world.settle()
    assert world.recorded.numbers == [2, 5, 3]


@pytest.mark.parametrize("is_known", [True, False], ids=["the instance stays", "the instance is gone"])
def test_an_orphaned_autoscaler_ends_only_for_an_instance_that_exists(is_known: bool) -> None:
    world = Autoscaled(BOUNDS)
    world.settle()
    orphan = world.live(AUTOSCALER)
    del orphan["metadata"]["ownerReferences"]
    world.api.put(orphan)
    world.restart()
    if not is_known:
        world.api.remove(world.instance)
    world.want({}, 2)
    world.api.writes.clear()

    told = world.sync()

    assert (world.api.find(AUTOSCALER, "demo") is None) == is_known
    assert told.keys() == (set() if is_known else {"demo"})


def test_somebody_elses_autoscaler_of_the_name_is_not_deleted() -> None:
    world = Autoscaled({}, 2)
    labels = {"app.kubernetes.io/managed-by": "model-operator"}
    metadata = {"name": "demo", "namespace": "team", "labels": labels}
    theirs = world.api.put({"kind": AUTOSCALER, "metadata": metadata, "spec": {}})
    world.restart()

    assert world.sync() == {}
    assert world.live(AUTOSCALER) == theirs


def test_a_greater_minimum_counts_at_once_where_nothing_else_has_changed_since_the_last_write() -> None:
    world = Autoscaled(BOUNDS)
    world.sync()
    world.want({**BOUNDS, "cpus": "3"})
    world.sync()
    world.want({**BOUNDS, "cpus": "3", "min_workers": 4})

    world.sync()
    assert world.live()["spec"]["replicas"] == 4
