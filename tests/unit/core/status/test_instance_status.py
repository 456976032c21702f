"""The status of an instance: each file in ``cases`` is what was observed, and what is to be told.

``about``        the case in a sentence
``instance``     what differs from the instance in ``defaults.yaml``
``template``     what differs from the template there; null where there is none
``latest``       hash of the latest revision of the template; that of the template by default
``hold``         why the instance, which is not pinned, does not run the latest revision
``withdrawn``    whether the template was withdrawn from the instance's namespace
``pinned``       by entry: what differs from the template in the revision that the entry names
``current``      the status that the instance has
``deployments``  the live Deployments: what differs from the one that is wanted, which was applied
``services``     the names of the live Services that are the instance's
``causes``       by name of the Deployment: what its pods tell {reason, detail, advice}
``contested``    by name of the deployment: fields that somebody else keeps changing {kind, field, manager}
``failures``     by name: a refusal of the API server {attempt, code, message}, or {reason, detail}
``in_grace``     whether the grace period has not ended; it has by default
``expected``     conditions by type, without times, all of them; and fields of the status. Of items of lists
                 the given fields count. Null means absent.

``pod_revision: current`` in an entry of a status stands for the hash of the pods that are wanted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from model_operator.api import Actor, ModelInstanceStatus
from model_operator.core.diagnosis.cause import Diagnosis
from model_operator.core.objects.conditions import Hold
from model_operator.core.objects.live_instance import LiveInstance
from model_operator.core.planning.contested_fields import ContestedField
from model_operator.core.planning.plan import Plan, make_plan, malformed, withdrawn
from model_operator.core.reasons.reasons import Advice, Reason
from model_operator.core.reasons.refusals import Failure, explain_refusal
from model_operator.core.status.assessment import Assessment, Observation, assess
from model_operator.core.status.instance import instance_status
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_template, read_instance
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.values.merge_patch import merge_patch
from tests.unit.core.values.rfc7386 import apply_merge_patch

HERE = Path(__file__).parent
DEFAULTS = yaml.safe_load((HERE / "defaults.yaml").read_text())
BEFORE, NOW, LATER = "2026-01-01T08:00:01Z", "2026-01-01T09:00:00Z", "2026-01-01T10:00:00Z"


@dataclass
class Case:
    """One file of ``cases``."""

    path: Path

    def __post_init__(self) -> None:
        self.content = yaml.safe_load(self.path.read_text())

    @property
    def current(self) -> dict[str, Any]:
        return self._with_revisions(self.content.get("current") or {})

    @property
    def expected(self) -> dict[str, Any]:
        return self._with_revisions(self.content["expected"])

    @property
    def up_to_date(self) -> dict[str, Any]:
        """The condition that each instance with a valid template has, unless the case says otherwise."""
        plan = self._plan(self.current)[1]
        return {"UpToDate": {"status": "True", "reason": "Latest"}} if plan and plan.latest else {}

    def assess(self, current: dict[str, Any] | None = None) -> Assessment:
        """Return the assessment, with the causes that the pods say."""
        causes = {name: _cause(**cause) for name, cause in self.content.get("causes", {}).items()}
        return assess(self.observe(current)).with_causes(causes)

    def observe(self, current: dict[str, Any] | None = None) -> Observation:
        status = self.current if current is None else current
        instance, plan = self._plan(status)
        deployments = {
            live["metadata"]["name"]: self._live(live, plan) for live in self.content.get("deployments", [])
        }
        failures = {name: _failure(**failure) for name, failure in self.content.get("failures", {}).items()}
        services = self.content.get("services", [])
        contested = {
            name: [ContestedField(**each) for each in fields]
            for name, fields in self.content.get("contested", {}).items()
        }
        in_grace = self.content.get("in_grace", False)
        return Observation(instance, plan, deployments, services, failures, contested, in_grace=in_grace)

    def _plan(self, status: dict[str, Any]) -> tuple[LiveInstance, Plan | None]:
        given = apply_merge_patch(DEFAULTS["instance"], self.content.get("instance", {}))
        instance = read_instance({**given, "status": status})
        if instance.metadata.deletionTimestamp is not None:
            return instance, None
        change, template = self.content.get("template", {}), None
        if change is not None:
            template = parse_template(apply_merge_patch(DEFAULTS["template"], change))
        plan = (
            malformed(instance.violations)
            if instance.violations
            else make_plan(
                instance.resource, template, RenderSettings(), self.content.get("latest"), self._pinned()
            )
        )
        if template is not None and self.content.get("withdrawn"):
            plan = withdrawn(template)
        hold = self.content.get("hold")
        return instance, replace(plan, hold=Hold(hold)) if hold else plan

    def _pinned(self) -> dict[str, CompiledTemplate]:
        return {
            entry: parse_template(apply_merge_patch(DEFAULTS["template"], change))
            for entry, change in self.content.get("pinned", {}).items()
        }

    def _with_revisions(self, status: dict[str, Any]) -> dict[str, Any]:
        _, plan = self._plan({})
        rendered = plan.rendering.deployments if plan and plan.rendering else ()
        current = {one.name: one.deployment.pod_revision for one in rendered}
        entries = [
            {**entry, "pod_revision": current[entry["name"]]}
            if entry.get("pod_revision") == "current"
            else entry
            for entry in status.get("deployments", [])
        ]
        return {**status, "deployments": entries} if entries else status

    def _live(self, given: dict[str, Any], plan: Plan | None) -> dict[str, Any]:
        rendered = plan.rendering.deployments if plan and plan.rendering else ()
        applied = {one.name: one.deployment.applied for one in rendered}
        status = given["status"]
        given = {**given, "status": DEFAULTS[status] if isinstance(status, str) else status}
        live: dict[str, Any] = apply_merge_patch(applied.get(given["metadata"]["name"], {}), given)
        return live

    def __str__(self) -> str:
        return self.path.stem


def _failure(
    *, reason: str = "", detail: str = "", attempt: str = "", code: int = 0, message: str = ""
) -> Failure:
    if reason:
        return Failure(Reason[reason], detail)
    return explain_refusal(code, {"kind": "Status", "message": message}, attempt)


def _cause(*, reason: str, detail: str, advice: str = "", is_permanent: bool = False) -> Diagnosis:
    told = Advice(Actor.TEMPLATE_OWNER, advice) if advice else None
    return Diagnosis(Reason[reason], detail, told, is_permanent=is_permanent)


CASES = [Case(path) for path in sorted((HERE / "cases").glob("*.yaml"))]
every_case = pytest.mark.parametrize("case", CASES, ids=str)


def given_part(actual: Any, expected: Any) -> Any:
    """Return of `actual` what `expected` speaks of, so that comparing shows the difference."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return {key: given_part(actual.get(key), value) for key, value in expected.items()}
    if isinstance(expected, list) and isinstance(actual, list) and len(actual) == len(expected):
        return [given_part(*pair) for pair in zip(actual, expected, strict=True)]
    return actual


@every_case
def test_status(case: Case) -> None:
    status = instance_status(case.assess(), NOW)

    conditions = {condition["type"]: condition for condition in status["conditions"]}
    expected = {**case.expected, "conditions": {**case.up_to_date, **case.expected["conditions"]}}
    assert conditions.keys() == expected["conditions"].keys()
    assert given_part({**status, "conditions": conditions}, expected) == expected


@every_case
def test_a_problem_has_the_parts_of_the_message(case: Case) -> None:
    status = instance_status(case.assess(), NOW)

    ready = next(each for each in status["conditions"] if each["type"] == "Ready")
    problem = status["problem"]
    if ready["status"] == "True":
        assert problem is None
    else:
        assert (problem["reason"], message_of(problem)) == (ready["reason"], ready["message"])
    for entry in status["deployments"]:
        # A deployment that is READY may have a worker that fails.
        is_wrong = entry["status"] != "READY" or case.path.stem == "one_of_several_workers_crashing"
        assert ("problem" in entry) is ("message" in entry) is is_wrong
        if "problem" in entry:
            name = f"Deployment {entry['name']}: "
            assert entry["message"] in (text := message_of(entry["problem"]), f"{name}{text}")


def message_of(problem: dict[str, Any]) -> str:
    actor = problem["actor"]
    return (
        f"{problem['detail']} Action ({actor}): {problem['next_step']}" if actor else str(problem["detail"])
    )


@every_case
def test_what_the_api_server_stores_is_valid_and_needs_no_second_write(case: Case) -> None:
    patch = merge_patch(case.current, instance_status(case.assess(), NOW))
    stored = apply_merge_patch(case.current, patch)

    ModelInstanceStatus.model_validate(stored)
    assert merge_patch(stored, instance_status(case.assess(stored), LATER)) == {}


@every_case
def test_kstatus(case: Case) -> None:
    status = instance_status(case.assess(), NOW)

    conditions = {condition["type"]: condition for condition in status["conditions"]}
    ready = conditions["Ready"]
    abnormal = [conditions[kind] for kind in ("Reconciling", "Stalled") if kind in conditions]
    if ready["status"] == "True":
        assert abnormal == []
    else:
        assert [condition["status"] for condition in abnormal] == ["True"]
        assert (abnormal[0]["reason"], abnormal[0]["message"]) == (ready["reason"], ready["message"])
    own = [conditions[kind] for kind in ("Ready", "Available")] + abnormal
    assert all(condition["observedGeneration"] == 4 for condition in own)
    assert status["observedGeneration"] == 4


def test_the_time_of_transition_stays_while_the_status_stays() -> None:
    case = Case(HERE / "cases" / "progressing.yaml")
    since = {"observedGeneration": 4, "lastTransitionTime": BEFORE}
    current = {
        "conditions": [
            {"type": "Ready", "status": "False", "reason": "TemplateNotFound", "message": "Gone.", **since},
            {"type": "Available", "status": "True", "reason": "Serving", "message": "One is.", **since},
        ]
    }

    status = instance_status(case.assess(current), NOW)

    times = {condition["type"]: condition["lastTransitionTime"] for condition in status["conditions"]}
    assert times == {"Ready": BEFORE, "Available": NOW, "UpToDate": NOW, "Reconciling": NOW}


def test_somebody_elses_condition_is_left_to_the_letter() -> None:
    case = Case(HERE / "cases" / "foreign_condition.yaml")
    foreign = case.current["conditions"][1]

    assert foreign in instance_status(case.assess(), NOW)["conditions"]


def test_the_list_of_deployments_stays_within_the_bound_of_the_api() -> None:
    case = Case(HERE / "cases" / "rolled_out.yaml")
    observed = case.observe()
    live = {
        f"demo-{number}": {"metadata": {"name": f"demo-{number}"}, "spec": {}, "status": {}}
        for number in range(100)
    }

    status = instance_status(
        assess(replace(observed, deployments={**live, **observed.deployments})),
        NOW,
    )

    ModelInstanceStatus.model_validate(status)
    assert status["deployments"][0]["name"] == "demo"
    assert status["deployment_count"] == 101


def test_every_reason_of_the_ready_condition_has_a_case() -> None:
    shown = {case.expected["conditions"]["Ready"]["reason"] for case in CASES}

    assert {reason.name for reason in Reason} == shown


@pytest.mark.parametrize(
    ("name", "stuck"),
    [
        ("progressing", ["demo"]),
        ("progress_deadline_exceeded", ["demo"]),
        ("crash_looping_after_rollout", ["demo"]),
        ("several_deployments", None),
        ("rolled_out", []),
        ("one_of_several_workers_lost", ["demo"]),
        ("scaled_up", ["demo"]),
        ("new_pods_rejected", ["demo"]),
        ("scaled_to_zero", []),
        ("pods_rejected", []),
        ("generation_not_observed", []),
        ("just_created", []),
        ("deployment_rejected", []),
        ("template_gone_while_serving", []),
        ("terminating", []),
    ],
)
def test_pods_are_looked_at_only_where_nothing_else_tells(name: str, stuck: list[str] | None) -> None:
    case = Case(HERE / "cases" / f"{name}.yaml")
    under_way = [
        entry["name"]
        for entry in instance_status(case.assess(), NOW)["deployments"]
        if entry["status"] == "UPDATE_IN_PROGRESS"
    ]

    undiagnosed = [live["metadata"]["name"] for live in assess(case.observe()).undiagnosed]
    assert undiagnosed == (under_way if stuck is None else stuck)


def test_since_when_no_waiting_resolves_a_failure_is_recorded_once_for_each_revision() -> None:
    failing = Case(HERE / "cases" / "image_pull_failed.yaml")
    found = instance_status(failing.assess({}), NOW)
    assert found["template"]["failing_since"] == NOW
    assert instance_status(failing.assess(found), LATER)["template"]["failing_since"] == NOW

    of_another = {**found, "template": {**found["template"], "revision": "0" * 12}}
    assert instance_status(failing.assess(of_another), LATER)["template"]["failing_since"] == LATER
    for stem in ("rolled_out", "progressing", "template_not_found", "invalid_parameters"):
        other = instance_status(Case(HERE / "cases" / f"{stem}.yaml").assess(found), LATER)
        assert "failing_since" not in other["template"], stem


def test_the_generation_of_the_arrival_is_that_of_the_last_ready_at_the_revision() -> None:
    case = Case(HERE / "cases" / "rolled_out.yaml")
    ready = instance_status(case.assess({}), NOW)
    assert ready["template"]["arrived_generation"] == ready["observedGeneration"]

    earlier = {**ready, "template": {**ready["template"], "arrived_generation": 0}}
    assert instance_status(case.assess(earlier), LATER)["template"] == ready["template"]
    for stem in ("progressing", "template_not_found", "invalid_parameters"):
        broken = instance_status(Case(HERE / "cases" / f"{stem}.yaml").assess(earlier), LATER)
        assert broken["template"]["arrived_generation"] == 0, stem
    of_another = {**earlier, "template": {**earlier["template"], "revision": "0" * 12}}
    moved = instance_status(Case(HERE / "cases" / "progressing.yaml").assess(of_another), LATER)
    assert "arrived_generation" not in moved["template"]

    # Of an operator that did not record it: no reason to write, until there is one.
    unrecorded = {**ready, "template": {**ready["template"]}}
    del unrecorded["template"]["arrived_generation"]
    assert "arrived_generation" not in instance_status(case.assess(unrecorded), LATER)["template"]
    edited = instance_status(case.assess({**unrecorded, "observedGeneration": 0}), LATER)
    assert edited["template"]["arrived_generation"] == ready["observedGeneration"]


def test_the_arrival_at_a_revision_is_recorded_once_and_ends_with_ready() -> None:
    case = Case(HERE / "cases" / "rolled_out.yaml")
    ready = instance_status(case.assess({}), NOW)
    assert ready["template"]["arrived_at"] == NOW
    assert instance_status(case.assess(ready), LATER)["template"]["arrived_at"] == NOW

    of_another = {**ready, "template": {**ready["template"], "revision": "0" * 12}}
    assert instance_status(case.assess(of_another), LATER)["template"]["arrived_at"] == LATER
    unrecorded = {**ready, "template": {**ready["template"]}}
    del unrecorded["template"]["arrived_at"]
    assert "arrived_at" not in instance_status(case.assess(unrecorded), LATER)["template"]

    for stem in ("progressing", "template_not_found", "invalid_parameters"):
        broken = instance_status(Case(HERE / "cases" / f"{stem}.yaml").assess(ready), LATER)
        assert "arrived_at" not in broken["template"], stem
        again = instance_status(case.assess({**ready, **broken}), "2026-01-01T11:00:00Z")
        assert again["template"]["arrived_at"] == "2026-01-01T11:00:00Z", stem
