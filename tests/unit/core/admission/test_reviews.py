"""The decisions themselves: on the files of valid/ and invalid/, for people and for batch appliers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from model_operator.api import TemplateKind
from model_operator.core.admission.change import Change
from model_operator.core.admission.instance import (
    Enforcement,
    enforcement_for,
    examine_instance,
    review_instance,
)
from model_operator.core.admission.template import Impact, review_template
from model_operator.core.rendering.render import render
from model_operator.core.templates.parsing import parse_instance, parse_template, read_instance
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.settings import BATCH_APPLIERS
from tests.examples.admission.cases import Case, load, templates

if TYPE_CHECKING:
    from model_operator.core.admission.verdict import Verdict
    from model_operator.core.templates.compile import CompiledTemplate

SETTINGS = RenderSettings()
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Templates:
    """The templates that the cases refer to, as a cache has them."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self._compiled = {obj["metadata"]["name"]: parse_template(stored(obj)) for obj in objects}

    def by_name(self, kind: TemplateKind, namespace: str, name: str) -> CompiledTemplate | None:
        wanted = kind is TemplateKind.MODEL_TEMPLATE and namespace == "team-a"
        return self._compiled.get(name) if wanted else None

    def labels_of(self, namespace: str) -> None:
        del namespace

    def by_uid(self, uid: str) -> CompiledTemplate | None:
        return self._compiled.get(uid)


def stored(obj: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """Give an object as the server would have it."""
    name = obj["metadata"].get("name", "")
    return obj | {
        "metadata": {"namespace": "team-a", "uid": name, "generation": 1, **obj["metadata"], **metadata}
    }


TEMPLATES = Templates(*templates())
TOO_LARGE = {"integer-beyond-json", "parameters-too-deep", "parameters-too-many"}
"""Cases that are wrong whatever their template."""


def judge(obj: dict[str, Any], enforcement: Enforcement = Enforcement.DENY) -> Verdict:
    change = Change(stored(obj))
    if obj["kind"] != "ModelInstance":
        return review_template(change, parse_template(change.obj), RenderSettings())
    return review_instance(examine_instance(change, TEMPLATES, SETTINGS), change, enforcement)


def model(*, name: str = "demo", **spec: Any) -> dict[str, Any]:
    spec = {"model_template_id": "encoder", "model_creation_parameters": {"MODEL_NAME": "minilm"}} | spec
    return {"kind": "ModelInstance", "metadata": {"name": name}, "spec": spec}


@pytest.mark.parametrize("case", load("invalid"), ids=str)
def test_denied(case: Case) -> None:
    verdict = judge(case.object)

    assert not verdict.allowed
    assert (verdict.code, verdict.reason) == (422, "Invalid")
    assert tuple(f"{cause.field}: {cause.message}" for cause in verdict.causes) == case.violations


@pytest.mark.parametrize("case", load("valid"), ids=str)
def test_admitted(case: Case) -> None:
    verdict = judge(case.object)

    assert verdict.allowed
    assert verdict.warnings == ()


@pytest.mark.parametrize("enforcement", Enforcement)
def test_a_label_without_effect_is_admitted_with_a_warning(enforcement: Enforcement) -> None:
    change = Change(stored(model(), labels={"modeloperator.dev/gateway": "Off"}))

    verdict = review_instance(examine_instance(change, TEMPLATES, SETTINGS), change, enforcement)

    assert verdict.allowed
    (warning,) = verdict.warnings
    assert warning.startswith("ModelInstance demo: metadata.labels[modeloperator.dev/gateway]: must be ")


@pytest.mark.parametrize("case", [case for case in load("invalid") if case.kind == "ModelInstance"], ids=str)
def test_batch_applier_is_told_the_same_as_warnings(case: Case) -> None:
    verdict = judge(case.object, Enforcement.WARN)

    assert verdict.allowed == (str(case) not in TOO_LARGE)
    if verdict.allowed:
        violations = [each.removeprefix("spec: ") for each in case.violations]
        assert verdict.warnings == tuple(f"ModelInstance {case}: {each}" for each in violations)


@pytest.mark.parametrize(("generation", "is_warned"), [(1, True), (0, False)])
@pytest.mark.parametrize("enforcement", Enforcement)
def test_an_instance_of_a_rejected_template_is_admitted_with_a_warning(
    enforcement: Enforcement, generation: int, *, is_warned: bool
) -> None:
    ready = {"type": "Ready", "status": "False", "reason": "PodTemplateRejected", "message": "Rejected."}
    status = {"observedGeneration": generation, "conditions": [ready]}
    change = Change(stored(model()))

    verdict = review_instance(examine_instance(change, TEMPLATES, SETTINGS), change, enforcement, status)

    expected = (
        "ModelInstance demo: the API server rejects the pods of ModelTemplate encoder (PodTemplateRejected); "
        "the instance will be deployed when the template is fixed"
    )
    assert verdict.allowed
    assert verdict.warnings == ((expected,) if is_warned else ())


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("alice", Enforcement.DENY),
        ("system:serviceaccount:flux-system:kustomize-controller", Enforcement.WARN),
        ("system:serviceaccount:flux-system:helm-controller", Enforcement.WARN),
        ("system:serviceaccount:argocd:argocd-application-controller", Enforcement.WARN),
        ("system:serviceaccount:team-a:kustomize-controller", Enforcement.DENY),
    ],
)
def test_who_applies_in_batches(user: str, expected: Enforcement) -> None:
    assert enforcement_for(user, BATCH_APPLIERS) is expected


def test_who_applies_in_batches_may_be_a_pattern() -> None:
    assert enforcement_for("system:serviceaccount:ci:a", ["system:serviceaccount:ci:*"]) is Enforcement.WARN
    assert enforcement_for("alice", []) is Enforcement.DENY


def test_template_that_is_missing_or_invalid_is_no_fault_of_the_instance() -> None:
    missing = judge(model(model_template_id="nowhere"))
    assert missing.allowed
    missing_template = (
        "There is no ModelTemplate in this namespace or ClusterModelTemplate with the name or id"
    )
    consequence = "the instance will be validated and deployed when the template exists and is shared"
    text = f"{missing_template} 'nowhere', or it is not shared with this namespace"
    assert missing.warnings == (f"ModelInstance demo: {text}; {consequence}",)
    broken = next(case.object for case in load("invalid") if str(case) == "schema-misspelt-type")
    change = Change(stored(model(model_template_id="schema-misspelt-type")))
    verdict = review_instance(examine_instance(change, Templates(broken), SETTINGS), change, Enforcement.DENY)
    assert verdict.allowed
    (warning,) = verdict.warnings
    assert warning.startswith("ModelInstance demo: ModelTemplate schema-misspelt-type is invalid: spec.")
    assert warning.endswith("; the instance will be validated and deployed when the template is fixed")


def test_parameters_too_large_for_any_template_are_denied_to_everybody_also_without_one() -> None:
    for obj in (
        model(model_template_id="nowhere", model_creation_parameters={"A": "x" * 70_000}),
        model(deployments=[], model_creation_parameters={"A": "x" * 70_000}),
        model(deployments=[{"name": "a", "model_creation_parameters": {"A": [0] * 2000}}]),
    ):
        assert not judge(obj, Enforcement.WARN).allowed


def test_shape_that_the_api_server_s_schema_does_not_know_is_denied() -> None:
    verdict = judge(model(replicas=-1), Enforcement.WARN)

    assert [cause.field for cause in verdict.causes] == ["spec.replicas"]


def test_name_and_id_that_the_server_has_yet_to_choose_fit_into_an_image() -> None:
    tagged = templates()[2]
    tagged["spec"]["vendor_configuration"]["bundle_config"] |= {"tag": "$(instance.name)-$(instance.id)"}
    obj = model(model_template_id="fixed", model_creation_parameters={}) | {
        "metadata": {"generateName": "demo-"}
    }
    change = Change(obj | {"metadata": {"generateName": "demo-", "namespace": "team-a"}})

    examination = examine_instance(change, Templates(tagged), SETTINGS)

    assert examination.violations == ()


PLAIN: dict[str, Any] = {}
TWO = {"deployments": [{"name": "a"}, {"name": "b"}]}
KEEP = (
    " Action (user): none if this is intended; else leave deployments as it was, and set workers in "
    "spec.vendor_configuration, which changes no names."
)
GONE = "Deployment, Service and URL"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            PLAIN,
            TWO,
            f"spec.deployments: {GONE} demo will be deleted once demo-a and demo-b can replace them.",
        ),
        (
            TWO,
            PLAIN,
            f"spec.deployments: {GONE} demo-a and demo-b will be deleted once demo can replace them.",
        ),
        (TWO, {"deployments": [{"name": "a"}, {"name": "c"}]}, "demo-b will be deleted once demo-c can"),
        (PLAIN, {"deployments": []}, f"spec.deployments: {GONE} demo will be deleted."),
        (TWO, {"deployments": [{"name": "b"}]}, f"spec.deployments: {GONE} demo-a will be deleted."),
        (
            PLAIN,
            {"model_template_id": None, "model_vendor": "OPENAI", "model_type": "EMBEDDING"},
            f"spec.model_template_id: {GONE} demo will be deleted.",
        ),
    ],
)
@pytest.mark.parametrize("enforcement", Enforcement)
def test_names_that_a_change_removes_are_a_warning(
    old: dict[str, Any], new: dict[str, Any], expected: str, enforcement: Enforcement
) -> None:
    change = Change(stored(model(**new)), stored(model(**old)))

    verdict = review_instance(examine_instance(change, TEMPLATES, SETTINGS), change, enforcement)

    assert verdict.allowed
    (warning,) = verdict.warnings
    assert warning.startswith("ModelInstance demo: spec.")
    assert expected in warning
    assert warning.endswith(KEEP) == ("can replace them" in warning)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (PLAIN, {"vendor_configuration": {"min_workers": 2, "max_workers": 6}}),
        (PLAIN, {"suspend": True}),
        (PLAIN, {"replicas": 3}),
        (TWO, {"deployments": [{"name": "b"}, {"name": "c"}, {"name": "a"}]}),
        ({"deployments": []}, PLAIN),
        ({"deployments": "of an older version"}, PLAIN),
        (None, TWO),
    ],
)
def test_a_change_that_keeps_its_names_has_no_warning(
    old: dict[str, Any] | None, new: dict[str, Any]
) -> None:
    change = Change(stored(model(**new)), None if old is None else stored(model(**old)))

    verdict = review_instance(examine_instance(change, TEMPLATES, SETTINGS), change, Enforcement.DENY)

    assert (verdict.allowed, verdict.warnings) == (True, ())


@pytest.mark.parametrize(
    ("old", "new", "exempt"),
    [
        (None, {"spec": {"a": 1}}, False),
        ({"spec": {"a": 1}}, {"spec": {"a": 1}, "metadata": {"labels": {"a": "b"}}}, True),
        ({"spec": {"a": 1, "b": 2}}, {"spec": {"b": 2, "a": 1}}, True),
        ({"spec": {"a": 1}}, {"spec": {"a": 2}}, False),
        ({"spec": {"a": 1}}, {"spec": {"a": True}}, False),
        (
            {"spec": {"a": 1}},
            {"spec": {"a": 2}, "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}},
            True,
        ),
    ],
)
def test_what_is_not_judged(old: dict[str, Any] | None, new: dict[str, Any], exempt: bool) -> None:
    assert Change(new, old).is_exempt is exempt


def test_controls_in_a_key_reach_no_terminal() -> None:
    obj = model(model_creation_parameters={"MODEL_NAME": "minilm", "\x1b[31mA\nB": 1})

    for verdict in (judge(obj), judge(obj, Enforcement.WARN)):
        shown = [verdict.message, *verdict.warnings, *(cause.field for cause in verdict.causes)]
        assert not any("\x1b" in text or "\n" in text for text in shown)
        assert any(
            r"spec.model_creation_parameters[\x1b[31mA\nB]: unknown parameter" in text for text in shown
        )


FIVE = ", ".join(f"team-a/demo-{number}" for number in range(5))


class TestImpact:
    """What an edit of a template does to its instances."""

    @staticmethod
    def impact(edit: dict[str, Any]) -> Impact:
        old = stored(templates()[0])
        new = stored(templates()[0])
        new["spec"]["model_creation_parameters_schema"]["properties"] |= edit
        return Impact(old, parse_template(new), SETTINGS)

    @staticmethod
    def add(impact: Impact, count: int, **parameters: Any) -> None:
        for number in range(count):
            given = {"MODEL_NAME": "minilm", **parameters}
            obj = stored(model(name=f"demo-{number}", model_creation_parameters=given))
            impact.add(read_instance(obj))

    def test_harmless(self) -> None:
        impact = self.impact({"BATCH_SIZE": {"type": "integer", "minimum": 1}})
        self.add(impact, 3, BATCH_SIZE=8)
        assert impact.warnings(NOW, complete=True) == ()

    @pytest.mark.parametrize(
        ("count", "complete", "said"),
        [
            (1, True, "this change makes 1 instance invalid: team-a/demo-0;"),
            (2, True, "this change makes 2 instances invalid: team-a/demo-0, team-a/demo-1;"),
            (7, True, f"this change makes 7 instances invalid: {FIVE} and 2 more;"),
            (2, False, "this change makes at least 2 instances invalid: team-a/demo-0, team-a/demo-1;"),
        ],
    )
    def test_harm(self, count: int, complete: bool, said: str) -> None:
        impact = self.impact({"BATCH_SIZE": {"type": "integer", "minimum": 100}})
        self.add(impact, count, BATCH_SIZE=8)
        (warning,) = impact.warnings(NOW, complete=complete)
        assert warning == f"ModelTemplate encoder: {said} running workers are not changed"

    def test_those_that_were_invalid_before_do_not_count(self) -> None:
        impact = self.impact({"BATCH_SIZE": {"type": "integer", "minimum": 100}})
        self.add(impact, 3, BATCH_SIZE=8, DEBUG="no")
        assert impact.warnings(NOW, complete=True) == ()

    @pytest.mark.parametrize(
        ("replicas", "tag", "said"),
        [
            (1, "2.0", ("ModelTemplate encoder: this change restarts the pods of 3 instances",)),
            (0, "2.0", ()),
            (1, None, ("ModelTemplate encoder: this change makes no new revision, so no instance changes",)),
        ],
    )
    def test_instances_with_workers_whose_pods_become_others_are_rolled(
        self, replicas: int, tag: str | None, said: tuple[str, ...]
    ) -> None:
        old, new = stored(templates()[0]), stored(templates()[0])
        if tag is not None:
            new["spec"]["vendor_configuration"]["bundle_config"]["tag"] = tag
        impact = Impact(old, parse_template(new), SETTINGS)
        for number in range(3):
            obj = stored(model(name=f"demo-{number}"))
            (rendered,) = render(parse_template(old), parse_instance(obj)[0], SETTINGS).deployments
            entry = {"name": rendered.name, "status": "READY", "replicas": replicas}
            entry["pod_revision"] = rendered.deployment.pod_revision
            impact.add(read_instance({**obj, "status": {"deployments": [entry]}}))
        assert impact.warnings(NOW, complete=True) == said
