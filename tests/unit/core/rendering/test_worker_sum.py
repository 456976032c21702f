"""The workers of one instance are bounded in sum: alone, against its template, and in the reconciler."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from model_operator.api import ModelInstance, TemplateKind
from model_operator.core.admission.change import Change
from model_operator.core.admission.instance import Enforcement, examine_instance, review_instance
from model_operator.core.planning.plan import make_plan
from model_operator.core.reasons.reasons import Reason
from model_operator.core.templates.parsing import parse_template
from model_operator.core.templates.render_settings import RenderSettings

if TYPE_CHECKING:
    from model_operator.core.templates.compile import CompiledTemplate
    from model_operator.core.values.violations import Violation

SETTINGS = RenderSettings()


def template(**endpoint: int) -> CompiledTemplate:
    return parse_template(
        {
            "kind": "ModelTemplate",
            "metadata": {"name": "t", "namespace": "ml", "uid": "t"},
            "spec": {
                "model_type": "GENERIC",
                "vendor_configuration": {
                    "bundle_config": {"registry": "docker.io", "image": "a/b", "tag": "1"},
                    "endpoint_config": endpoint,
                },
            },
        }
    )


class Templates:
    def __init__(self, compiled: CompiledTemplate | None) -> None:
        self.compiled = compiled

    def by_name(self, kind: TemplateKind, namespace: str, name: str) -> CompiledTemplate | None:
        is_meant = (kind, namespace, name) == (TemplateKind.MODEL_TEMPLATE, "ml", "t")
        return self.compiled if is_meant else None

    def labels_of(self, namespace: str) -> None:
        del namespace

    def by_uid(self, uid: str) -> CompiledTemplate | None:
        return self.compiled if uid == "t" else None


def entries(*workers: dict[str, int]) -> dict[str, Any]:
    return {
        "deployments": [{"name": f"d{i}", "vendor_configuration": each} for i, each in enumerate(workers)]
    }


def obj(spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "one", "namespace": "ml", "uid": "u"}
    return {"kind": "ModelInstance", "metadata": metadata, "spec": {"model_template_id": "t", **spec}}


def found(spec: dict[str, Any], endpoint: dict[str, int], bound: int = 250) -> tuple[Violation, ...]:
    """Give what the reconciler says, having seen that the webhook says the same."""
    settings = replace(SETTINGS, max_workers_per_instance=bound)
    compiled = template(**endpoint)
    plan = make_plan(ModelInstance.model_validate(obj(spec)), compiled, settings)
    examination = examine_instance(Change(obj(spec)), Templates(compiled), settings)
    assert examination.violations == plan.violations
    if plan.violations:
        assert plan.rendering is None, "what runs is left as it is"
        assert plan.problem is not None
        assert plan.problem.reason is Reason.InvalidParameters
    return plan.violations


@pytest.mark.parametrize(
    ("spec", "endpoint", "total"),
    [
        (entries({"max_workers": 125}, {"max_workers": 126}), {}, 251),
        (entries({"min_workers": 200}, {"min_workers": 51}), {}, 251),
        (entries(*[{}] * 3), {"min_workers": 1, "max_workers": 84}, 252),
        (entries({"min_workers": 1, "max_workers": 250}, {"min_workers": 1}), {}, 251),
        (entries({"max_workers": 200}, {}), {"max_workers": 51}, 251),
        (entries(*[{"max_workers": 250}] * 20), {}, 5000),
        ({"vendor_configuration": {"max_workers": 126}, **entries({}, {})}, {}, 252),
        ({"vendor_configuration": {"max_workers": 126}, **entries({"max_workers": 125}, {})}, {}, 251),
        ({"suspend": True, **entries({"max_workers": 125}, {"max_workers": 126})}, {}, 251),
    ],
)
def test_more_than_the_bound_is_refused(spec: dict[str, Any], endpoint: dict[str, int], total: int) -> None:
    (violation,) = found(spec, endpoint)

    assert (violation.loc, violation.type) == (("spec", "deployments"), "too_many_workers")
    assert (
        f"must have at most 250 workers in total over all deployments, each at its maximum, got {total}"
        in violation.msg
    )
    assert "RENDERING__MAX_WORKERS_PER_INSTANCE" in violation.msg


@pytest.mark.parametrize(
    ("spec", "endpoint"),
    [
        (entries({"max_workers": 125}, {"max_workers": 125}), {}),
        (entries(*[{}] * 2), {"min_workers": 1, "max_workers": 125}),
        (entries({"max_workers": 250}, {"min_workers": 0, "max_workers": 0}), {}),
        ({"replicas": 250}, {}),
        ({}, {"max_workers": 250}),
        ({"deployments": []}, {"max_workers": 250}),
    ],
)
def test_the_bound_itself_is_allowed(spec: dict[str, Any], endpoint: dict[str, int]) -> None:
    assert found(spec, endpoint) == ()


def test_the_setting_counts() -> None:
    (violation,) = found({"replicas": 6}, {}, bound=5)
    assert (violation.loc, violation.type) == (("spec", "replicas"), "too_many_workers")
    assert "at most 5 workers" in violation.msg

    (violation,) = found({}, {"max_workers": 6}, bound=5)
    assert violation.type == "too_many_workers"

    (violation,) = found({"vendor_configuration": {"max_workers": 6}}, {}, bound=5)
    assert violation.loc == ("spec", "vendor_configuration")
    assert "lower max_workers or min_workers" in violation.msg

    assert found({"replicas": 5}, {"max_workers": 6}, bound=5) == ()
    assert found(entries(*[{"max_workers": 250}] * 20), {}, bound=5000) == ()


@pytest.mark.parametrize("compiled", [None, template()], ids=["no template", "a template"])
@pytest.mark.parametrize("enforcement", Enforcement)
def test_what_an_instance_says_alone_is_denied_to_everybody(
    compiled: CompiledTemplate | None, enforcement: Enforcement
) -> None:
    change = Change(obj(entries({"max_workers": 200}, {"max_workers": 51})))

    verdict = review_instance(examine_instance(change, Templates(compiled), SETTINGS), change, enforcement)

    assert not verdict.allowed
    assert "got 251" in verdict.message


def test_what_follows_from_the_template_is_only_warned_of_where_commits_are_applied() -> None:
    change = Change(obj(entries({}, {})))
    examination = examine_instance(change, Templates(template(max_workers=126)), SETTINGS)

    assert not review_instance(examination, change, Enforcement.DENY).allowed
    warned = review_instance(examination, change, Enforcement.WARN)
    assert warned.allowed
    assert "got 252" in warned.warnings[0]
