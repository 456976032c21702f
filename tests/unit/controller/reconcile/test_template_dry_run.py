"""Trying templates: when the API server is asked, and when what it said before is enough."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from model_operator.api import TemplateKind
from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.controller.reconcile.grace import GracePeriods
from model_operator.controller.reconcile.template_dry_run import TemplateDryRunner, home_namespace
from model_operator.controller.reconcile.templates import TemplateReconciler
from model_operator.core.planning.dry_run import DryRunResult, SkipReason
from model_operator.core.status.events import Event
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.kube.client import ApiClient
from model_operator.kube.errors import ForbiddenError, error_for
from model_operator.settings import TemplateDryRun
from tests.unit.controller.fake_scheduler import FakeScheduler
from tests.unit.controller.objects import hash_of, template

FULL = {
    "message": 'deployments.apps "x" is forbidden: exceeded quota: q, requested: count/deployments.apps=1'
}
NO_RIGHT = {"message": 'pods is forbidden: User "u" cannot create resource "pods" in API group ""'}
NO_ACCOUNT = {"message": 'pods "x" is forbidden: error looking up service account team/a: not found'}
TERMINATING = {"message": "no", "details": {"causes": [{"reason": "NamespaceTerminating"}]}}
INVALID = {"message": "Deployment is invalid"}


class Server:
    """An API server that accepts all but what `refuse` names, and counts."""

    def __init__(self) -> None:
        self.refuse: dict[str, tuple[int, dict[str, Any]]] = {}
        self.asked: list[str] = []
        self.namespaces: set[str] = set()
        self.written: list[dict[str, Any]] = []

    async def apply(self, kind: Any, obj: dict[str, Any], *, force: bool, dry_run: bool) -> Any:
        assert (force, dry_run, obj["metadata"]["resourceVersion"]) == (False, True, "1")
        self.answer(kind.kind, obj)
        return obj

    apply_new = ApiClient.apply_new

    async def create(self, kind: Any, obj: dict[str, Any], *, dry_run: bool) -> dict[str, Any]:
        assert dry_run
        self.answer(kind.kind, obj)
        return obj

    async def patch_status(self, *args: Any) -> dict[str, Any]:
        self.written.append(args[3])
        return template("embed", status=args[3])

    def answer(self, kind: str, obj: dict[str, Any]) -> None:
        self.asked.append(kind)
        self.namespaces.add(obj["metadata"]["namespace"])
        if kind in self.refuse:
            raise error_for(*self.refuse[kind], "POST")


class DryRuns:
    """One template, a server and a clock."""

    def __init__(self, extent: TemplateDryRun = TemplateDryRun.POD, home: str | None = "home") -> None:
        self.server = Server()
        self.state = ClusterState()
        self.now = 0.0
        self.client = cast("ApiClient", self.server)
        self.dry_runs = TemplateDryRunner(
            self.client, self.state, RenderSettings(), home, extent, clock=lambda: self.now
        )

    def outcome(self, obj: dict[str, Any]) -> DryRunResult:
        self.state.templates[TemplateKind(obj["kind"])].put(obj)
        return asyncio.run(self.dry_runs.outcome(self.state.compiled(obj)))


def test_once_for_each_revision() -> None:
    runs = DryRuns()
    for generation in (1, 1, 2, 2):
        runs.now += 1000
        assert runs.outcome(template("embed", generation=generation)) == DryRunResult()

    assert runs.server.asked == ["Deployment", "Pod"] * 2
    assert runs.server.namespaces == {"team"}


@pytest.mark.parametrize(
    "edit",
    [{"rollout": {"paused": True}}, {"revision_history_limit": 3}, {"rollout": None}, {"strategy": None}],
)
def test_an_edit_that_makes_no_new_revision_is_not_tried(edit: dict[str, Any]) -> None:
    runs = DryRuns()
    runs.outcome(template("embed"))

    assert runs.outcome(_edited(edit)) == DryRunResult()
    assert runs.server.asked == ["Deployment", "Pod"]

    runs.outcome(_edited({"service": {"type": "NodePort"}}, generation=3))
    assert runs.server.asked == ["Deployment", "Pod"] * 2


def test_a_template_that_was_paused_while_no_operator_ran_is_not_tried_again() -> None:
    accepted = _status(1, "TemplateValid") | {"latest_revision": hash_of(template("embed"))}
    pause = {"rollout": {"paused": True}}
    runs = DryRuns()
    assert runs.outcome(_edited(pause, accepted)) == DryRunResult()
    assert runs.server.asked == []

    # Neither a revision that was rejected nor another one is known to be accepted.
    for uid, edit, reason in (
        ("t2", pause, "PodTemplateRejected"),
        ("t3", {"metadata": {"labels": {"a": "b"}}}, "TemplateValid"),
    ):
        runs.outcome(_edited(edit, accepted | _status(1, reason), uid=uid))
    assert runs.server.asked == ["Deployment", "Pod"] * 2


def test_what_a_deployment_is_refused_for_is_not_asked_of_its_pod() -> None:
    runs = DryRuns()
    runs.server.refuse = {"Deployment": (422, INVALID)}

    assert "Deployment is invalid" in runs.outcome(template("embed")).refusal
    assert runs.server.asked == ["Deployment"]


def test_a_full_quota_hides_nothing() -> None:
    runs = DryRuns()
    runs.server.refuse = {"Deployment": (403, FULL), "Pod": (403, NO_ACCOUNT)}

    assert "service account" in runs.outcome(template("embed")).refusal


def test_what_the_cluster_may_change_is_asked_again_but_not_at_once() -> None:
    runs = DryRuns()
    runs.server.refuse = {"Pod": (403, NO_ACCOUNT)}
    obj = template("embed")
    for runs.now in (0, 1, 4, 6):
        assert runs.outcome(obj).refusal
    assert runs.server.asked == ["Deployment", "Pod"] * 2

    runs.server.refuse = {}
    runs.now = 20
    assert runs.outcome(obj) == DryRunResult()


def test_a_template_that_is_gone_is_forgotten() -> None:
    runs = DryRuns()
    runs.outcome(template("embed", uid="t1"))
    runs.state.forget_template("t1")

    assert runs.state.dry_runs == {}


@pytest.mark.parametrize(
    ("extent", "asked"), [("off", []), ("deployment", ["Deployment"]), ("pod", ["Deployment", "Pod"])]
)
def test_extent(extent: str, asked: list[str]) -> None:
    runs = DryRuns(TemplateDryRun(extent))
    runs.outcome(template("embed"))

    assert runs.server.asked == asked


def test_without_the_right_to_create_pods_it_says_so_once_in_the_log_and_nowhere_else() -> None:
    runs = DryRuns()
    runs.server.refuse = {"Pod": (403, NO_RIGHT)}

    with capture_logs() as logs:
        outcomes = [runs.outcome(template("embed", uid=uid)) for uid in ("t1", "t2")]

    assert outcomes == [DryRunResult(), DryRunResult()]
    assert [(entry["log_level"], entry["missing"]) for entry in logs] == [("info", "create pods")]


def test_a_cluster_template_is_tried_in_the_operator_s_namespace() -> None:
    runs = DryRuns(home="models")
    runs.outcome(template("embed", namespace=""))

    assert runs.server.namespaces == {"models"}


def test_outside_of_a_cluster_a_cluster_template_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POD_NAMESPACE", raising=False)
    runs = DryRuns(home=home_namespace(None))

    outcome = runs.outcome(template("embed", namespace=""))

    assert outcome.skipped is SkipReason.NO_NAMESPACE
    assert runs.server.asked == []
    assert home_namespace("models") == "models"


@pytest.mark.parametrize(("code", "status"), [(401, {}), (403, TERMINATING)])
def test_what_is_not_about_the_template_is_not_for_its_status(code: int, status: dict[str, Any]) -> None:
    runs = DryRuns()
    runs.server.refuse = {"Deployment": (code, status)}

    with pytest.raises(ForbiddenError):
        runs.outcome(template("embed"))
    assert runs.state.dry_runs == {}


def test_an_invalid_template_is_not_tried() -> None:
    runs = DryRuns()
    obj = template("embed")
    obj["spec"]["strategy"] = {"type": "Sudden"}

    assert runs.outcome(obj) == DryRunResult()
    assert runs.server.asked == []


@pytest.mark.parametrize(("refuse", "limit"), [({}, None), ({"Pod": (403, NO_ACCOUNT)}, 300)])
def test_only_what_may_change_by_itself_is_looked_at_again(
    refuse: dict[str, Any], limit: float | None
) -> None:
    runs = DryRuns()
    runs.server.refuse = refuse
    obj = template("embed")
    runs.state.templates[TemplateKind.MODEL_TEMPLATE].put(obj)
    grace = GracePeriods(0)
    reconciler = TemplateReconciler(
        runs.client, runs.state, runs.dry_runs, FakeScheduler(), lambda _: None, grace=grace
    )

    assert asyncio.run(reconciler.reconcile(TemplateKind.MODEL_TEMPLATE, "team", "embed")) == limit
    assert len(runs.server.written) == 1


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [((403, NO_ACCOUNT), ["Reconciling", "Stalled"]), ((422, INVALID), ["Stalled", "Stalled"])],
)
def test_what_the_cluster_lacks_is_stalled_when_it_has_lasted(
    refusal: tuple[int, dict[str, Any]], expected: list[str]
) -> None:
    runs = DryRuns()
    runs.server.refuse = {"Pod": refusal}
    runs.state.templates[TemplateKind.MODEL_TEMPLATE].put(template("embed"))
    time, events = [100.0], list[Event]()
    reconciler = TemplateReconciler(
        runs.client,
        runs.state,
        runs.dry_runs,
        FakeScheduler(),
        events.extend,
        grace=GracePeriods(10, lambda: time[0]),
    )

    async def reconcile() -> float | None:
        return await reconciler.reconcile(TemplateKind.MODEL_TEMPLATE, "team", "embed")

    first = asyncio.run(reconcile())
    told = [each["type"] for each in runs.server.written[0]["conditions"]]
    assert told[-1] == expected[0]
    assert [each.type.value for each in events] == ["Warning"] * (expected[0] == "Stalled")
    assert first == (10 if expected[0] == "Reconciling" else None)
    time[0] += 10

    asyncio.run(reconcile())

    found = runs.state.templates[TemplateKind.MODEL_TEMPLATE].get("team", "embed")
    assert found is not None
    assert found["status"]["conditions"][-1]["type"] == expected[1]
    assert [each.reason for each in events] == ["PodTemplateRejected"]


def test_a_template_that_an_earlier_run_has_accepted_is_not_tried_again() -> None:
    runs = DryRuns()
    accepted = _status(3, "TemplateValid")
    assert runs.outcome(template("embed", generation=3, status=accepted)) == DryRunResult()
    assert runs.server.asked == []

    runs.outcome(template("noted", uid="t2", generation=3, status=_status(3, "TemplateValidUntested")))
    runs.outcome(template("edited", uid="t3", generation=4, status=accepted))
    assert runs.server.asked == ["Deployment", "Pod"] * 2


def _edited(
    edit: dict[str, Any], status: Any = None, *, uid: str = "t1", generation: int = 2
) -> dict[str, Any]:
    """Return a later generation of the first template, with these fields."""
    obj = template("embed", uid=uid, status=status)
    obj["metadata"]["generation"] = generation
    obj["spec"] |= edit
    return obj


def _status(generation: int, reason: str) -> dict[str, Any]:
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": reason,
        "message": "It is valid.",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    return {"observedGeneration": generation, "conditions": [condition]}
