"""Instances that name a revision of their template, and edits of a template that others do not follow."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from model_operator.api import TemplateKind
from model_operator.core.admission.change import Change
from model_operator.core.admission.instance import Enforcement, examine_instance, review_instance
from model_operator.core.admission.template import Impact
from model_operator.core.admission.verdict import Verdict
from model_operator.core.rendering.render import render
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_instance, parse_template, read_instance
from model_operator.core.templates.render_settings import RenderSettings

SETTINGS = RenderSettings()
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ABSENT = "000000000000"


def template(tag: str, **properties: Any) -> dict[str, Any]:
    return {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": "ModelTemplate",
        "metadata": {"name": "embed", "namespace": "team", "uid": "t1", "generation": 2},
        "spec": {
            "model_type": "EMBEDDING",
            "vendor_configuration": {"bundle_config": {"registry": "ghcr.io", "image": "a/b", "tag": tag}},
            "model_creation_parameters_schema": {"properties": properties},
        },
    }


FIRST = parse_template(template("1", OLD={"type": "string"}))
SECOND = parse_template(template("2", NEW={"type": "string"}))
BROKEN = parse_template(template("3", NEW={"type": "text"}))


class Stored:
    """A template as it is now, and its stored revisions, the latest one last."""

    def __init__(self, now: CompiledTemplate, *stored: CompiledTemplate, stable: str = "") -> None:
        self.now = now
        self.stored = stored
        self.stable_revision = stable

    def by_name(self, kind: TemplateKind, namespace: str, name: str) -> CompiledTemplate | None:
        wanted = (kind, namespace, name) == (TemplateKind.MODEL_TEMPLATE, "team", "embed")
        return self.now if wanted else None

    def labels_of(self, namespace: str) -> None:
        del namespace

    def by_uid(self, uid: str) -> CompiledTemplate | None:
        return self.now if uid == "t1" else None

    def latest(self, template: CompiledTemplate) -> CompiledTemplate | None:
        assert template is self.now
        return self.stored[-1] if self.stored else None

    def by_hash(self, template: CompiledTemplate, revision: str) -> CompiledTemplate | None:
        assert template is self.now
        return next((each for each in self.stored if each.revision == revision), None)

    def stable(self, template: CompiledTemplate) -> str:
        assert template is self.now
        return self.stable_revision


def instance(pin: str | None = None, **parameters: str) -> dict[str, Any]:
    named = {} if pin is None else {"model_template_revision": pin}
    return {
        "kind": "ModelInstance",
        "metadata": {"name": "demo", "namespace": "team", "uid": "i1", "generation": 1},
        "spec": {"model_template_id": "embed", "model_creation_parameters": parameters, **named},
    }


def judged(
    obj: dict[str, Any],
    world: Stored,
    enforcement: Enforcement = Enforcement.DENY,
    status: dict[str, Any] | None = None,
) -> Verdict:
    change = Change(obj)
    return review_instance(examine_instance(change, world, SETTINGS, world), change, enforcement, status)


def test_a_pin_to_an_absent_revision_is_denied_to_people() -> None:
    verdict = judged(instance(ABSENT), Stored(SECOND, FIRST, SECOND))

    assert not verdict.allowed
    (cause,) = verdict.causes
    assert cause.field == "spec.model_template_revision"
    assert cause.message == f"ModelTemplate embed has no revision {ABSENT}"


def test_a_pin_to_an_absent_revision_is_a_warning_to_who_applies_in_batches() -> None:
    verdict = judged(instance(ABSENT), Stored(SECOND, FIRST, SECOND), Enforcement.WARN)

    assert verdict.allowed
    (warning,) = verdict.warnings
    assert warning == (
        f"ModelInstance demo: spec.model_template_revision: ModelTemplate embed has no revision {ABSENT}; it "
        "will be deployed when the revision exists"
    )


@pytest.mark.parametrize(
    ("now", "pin", "parameter", "fits"),
    [
        pytest.param(SECOND, None, "NEW", True, id="follows"),
        pytest.param(SECOND, None, "OLD", False, id="follows, parameter of before"),
        pytest.param(SECOND, "latest", "NEW", True, id="follows by name"),
        pytest.param(SECOND, FIRST.revision, "OLD", True, id="pinned"),
        pytest.param(SECOND, FIRST.revision, "NEW", False, id="pinned, parameter of the latest"),
        pytest.param(BROKEN, None, "NEW", True, id="broken template: the last valid one counts"),
        pytest.param(BROKEN, None, "OLD", False, id="broken template, parameter of before"),
        pytest.param(BROKEN, FIRST.revision, "OLD", True, id="broken template, pinned"),
    ],
)
def test_parameters_fit_the_revision_that_the_instance_runs(
    now: CompiledTemplate, pin: str | None, parameter: str, *, fits: bool
) -> None:
    verdict = judged(instance(pin, **{parameter: "x"}), Stored(now, FIRST, SECOND))

    assert verdict.allowed is fits
    assert verdict.warnings == ()


def deployed(*entries: tuple[str | None, str], pin: str | None = None) -> dict[str, Any]:
    """Return an instance whose deployments have a pin and a parameter each."""
    obj = instance(pin)
    obj["spec"]["deployments"] = [
        {
            "name": f"d{number}",
            "model_creation_parameters": {parameter: "x"},
            **({"model_template_revision": own} if own else {}),
        }
        for number, (own, parameter) in enumerate(entries)
    ]
    return obj


def test_a_deployment_with_an_absent_revision_is_denied_to_people_and_named() -> None:
    obj = deployed((None, "NEW"), (FIRST.revision, "OLD"), (ABSENT, "OLD"))

    verdict = judged(obj, Stored(SECOND, FIRST, SECOND))

    assert not verdict.allowed
    (cause,) = verdict.causes
    assert cause.field == "spec.deployments[2].model_template_revision"
    assert cause.message == f"ModelTemplate embed has no revision {ABSENT}"
    warned = judged(obj, Stored(SECOND, FIRST, SECOND), Enforcement.WARN)
    assert warned.allowed
    assert "spec.deployments[2].model_template_revision" in warned.warnings[0]


@pytest.mark.parametrize("now", [SECOND, BROKEN], ids=["valid", "broken"])
@pytest.mark.parametrize(
    ("pin", "stable", "parameter", "fits"),
    [
        pytest.param("latest", "", "NEW", True, id="latest"),
        pytest.param("latest", FIRST.revision, "OLD", False, id="latest, parameter of before"),
        pytest.param("stable", FIRST.revision, "OLD", True, id="stable"),
        pytest.param("stable", FIRST.revision, "NEW", False, id="stable, parameter of the latest"),
        pytest.param("stable", "", "NEW", True, id="no stable one: the latest"),
        pytest.param(FIRST.revision, "", "OLD", True, id="hash"),
        pytest.param(FIRST.revision, "", "NEW", False, id="hash, parameter of the latest"),
    ],
)
def test_parameters_of_a_deployment_fit_the_revision_that_it_names(
    now: CompiledTemplate, pin: str, stable: str, parameter: str, *, fits: bool
) -> None:
    world = Stored(now, FIRST, SECOND, stable=stable)

    verdict = judged(deployed((None, "NEW"), (pin, parameter)), world)

    assert verdict.allowed is fits
    assert [cause.field for cause in verdict.causes] == (
        [] if fits else [f"spec.deployments[1].model_creation_parameters.{parameter}"]
    )


def test_the_latest_revision_of_a_deployment_may_not_be_stored_yet() -> None:
    for pin in ("latest", SECOND.revision):
        obj = deployed((None, "OLD"), (pin, "NEW"), pin=FIRST.revision)
        assert judged(obj, Stored(SECOND, FIRST)).allowed


def rolling(*, tag: str, **properties: Any) -> CompiledTemplate:
    obj = template(tag, **properties)
    obj["spec"]["rollout"] = {}
    return parse_template(obj)


def waiting(revision: str | None, pin: str | None = None, **parameters: str) -> dict[str, Any]:
    """Return an instance that runs this revision."""
    bound = {"kind": "ModelTemplate", "name": "embed", "uid": "t1", "generation": 1, "revision": revision}
    status = {} if revision is None else {"template": bound}
    return {**instance(pin, **parameters), "status": status}


ROLLING = rolling(tag="2", NEW={"type": "string"})


@pytest.mark.parametrize("pin", [None, "latest", "stable"])
@pytest.mark.parametrize(("parameter", "fits"), [("OLD", True), ("NEW", True), ("NEITHER", False)])
def test_an_instance_that_waits_fits_its_own_revision_or_the_latest(
    pin: str | None, parameter: str, *, fits: bool
) -> None:
    world = Stored(ROLLING, FIRST, ROLLING, stable=FIRST.revision)

    verdict = judged(waiting(FIRST.revision, pin, **{parameter: "x"}), world)

    assert verdict.allowed is fits
    # One that follows the stable revision does not go on to the latest one before all others have.
    assert bool(verdict.warnings) is (pin == "stable" and parameter == "NEW")
    for cause in verdict.causes:
        assert cause.message.endswith(f"(revision {FIRST.revision} of the template)")


@pytest.mark.parametrize(
    ("revision", "pin", "parameter", "fits"),
    [
        pytest.param(None, None, "NEW", True, id="new"),
        pytest.param(None, None, "OLD", True, id="new, as while the roll-out is halted"),
        pytest.param(None, "stable", "OLD", True, id="new, stable"),
        pytest.param(ROLLING.revision, None, "NEW", True, id="arrived"),
        pytest.param(ROLLING.revision, None, "OLD", False, id="arrived, parameter of before"),
        pytest.param(ABSENT, None, "NEW", True, id="its revision is lost"),
        pytest.param(ABSENT, None, "OLD", False, id="its revision is lost, parameter of before"),
        pytest.param(FIRST.revision, ROLLING.revision, "OLD", False, id="pinned"),
    ],
)
def test_who_waits_for_nothing_fits_what_it_runs(
    revision: str | None, pin: str | None, parameter: str, *, fits: bool
) -> None:
    world = Stored(ROLLING, FIRST, ROLLING, stable=FIRST.revision)
    assert judged(waiting(revision, pin, **{parameter: "x"}), world).allowed is fits


def test_the_revision_of_another_template_is_none_of_this() -> None:
    obj = waiting(FIRST.revision, OLD="x")
    obj["status"]["template"]["name"] = "other"
    world = Stored(ROLLING, FIRST, ROLLING)
    assert not judged(obj, world).allowed


def test_without_steps_nobody_waits() -> None:
    assert not judged(waiting(FIRST.revision, OLD="x"), Stored(SECOND, FIRST, SECOND)).allowed


def test_the_edit_of_a_template_in_steps_that_is_not_stored_yet_counts() -> None:
    assert judged(waiting(FIRST.revision, NEW="x"), Stored(ROLLING, FIRST)).allowed
    assert judged(waiting(FIRST.revision, OLD="x"), Stored(ROLLING, FIRST)).allowed


@pytest.mark.parametrize("pin", [None, SECOND.revision])
def test_an_edit_that_is_not_stored_yet_counts(pin: str | None) -> None:
    """A commit changes template and instance, and its writes follow each other at once."""
    assert judged(instance(pin, NEW="x"), Stored(SECOND, FIRST)).allowed


def test_a_broken_template_without_any_revision_is_a_warning() -> None:
    verdict = judged(instance(), Stored(BROKEN))

    assert verdict.allowed
    (warning,) = verdict.warnings
    assert warning.startswith("ModelInstance demo: ModelTemplate embed is invalid: ")


@pytest.mark.parametrize(("latest", "is_warned"), [("", True), (FIRST.revision, False)])
def test_a_rejected_template_concerns_no_instance_of_an_earlier_revision(
    latest: str, *, is_warned: bool
) -> None:
    ready = {"type": "Ready", "status": "False", "reason": "PodTemplateRejected", "message": "Rejected."}
    status = {"observedGeneration": 2, "conditions": [ready], "latest_revision": latest}

    verdict = judged(instance(NEW="x"), Stored(SECOND, FIRST), status=status)

    assert bool(verdict.warnings) is is_warned


@pytest.mark.parametrize(
    ("pin", "recorded", "warned"),
    [
        pytest.param(None, FIRST.revision, True, id="follows"),
        pytest.param(None, None, True, id="a status without revisions"),
        pytest.param("latest", FIRST.revision, True, id="follows by name"),
        pytest.param(FIRST.revision, FIRST.revision, False, id="pinned"),
        pytest.param(None, SECOND.revision, False, id="runs it already"),
    ],
)
def test_an_edit_restarts_the_pods_of_those_that_follow(
    pin: str | None, recorded: str | None, *, warned: bool
) -> None:
    obj = instance(pin)
    (rendered,) = render(FIRST, parse_instance(obj)[0], SETTINGS).deployments
    entry = {
        "name": rendered.name,
        "status": "READY",
        "replicas": 1,
        "pod_revision": rendered.deployment.pod_revision,
    }
    bound = {"kind": "ModelTemplate", "name": "embed", "uid": "t1", "generation": 1, "revision": recorded}
    impact = Impact(template("1"), SECOND, SETTINGS)

    impact.add(read_instance({**obj, "status": {"template": bound, "deployments": [entry]}}))

    (warning,) = impact.warnings(NOW, complete=True)
    assert ("restarts the pods of 1 instance" in warning) is warned


def test_an_edit_makes_no_instance_invalid_that_does_not_follow() -> None:
    impact = Impact(template("1", OLD={"type": "string"}), SECOND, SETTINGS)
    impact.add(read_instance(instance(FIRST.revision, OLD="x")))
    (warning,) = impact.warnings(NOW, complete=True)
    assert warning == (
        "ModelTemplate embed: this change reaches no instance: 1 instance is pinned to another revision"
    )
    impact.add(read_instance(instance(OLD="x")))
    (warning,) = impact.warnings(NOW, complete=True)
    assert "makes 1 instance invalid: team/demo;" in warning


BOTH = {"type": "string"}
BEFORE, EDITED = template("1", BOTH=BOTH, OLD=BOTH), template("2", BOTH=BOTH, NEW=BOTH)


def impact_on(
    *entries: tuple[str | None, str], pin: str | None = None, rollout: dict[str, Any] | None = None
) -> tuple[str, ...]:
    """Return what an edit says of an instance with these deployments, all of which run what was before."""
    before, after = parse_template(BEFORE), rolling_edit(rollout)
    obj = deployed(*entries, pin=pin)
    runs = {f"d{number}": before for number, (own, _) in enumerate(entries) if own}
    reported = [
        {
            "name": each.name,
            "status": "READY",
            "replicas": 1,
            "pod_revision": each.deployment.pod_revision,
            **({"template_revision": before.revision} if each.own_revision else {}),
        }
        for each in render(before, parse_instance(obj)[0], SETTINGS, runs).deployments
    ]
    bound = {"kind": "ModelTemplate", "name": "embed", "uid": "t1", "generation": 1}
    status = {"template": {**bound, "revision": before.revision}, "deployments": reported}
    old = {**BEFORE, "status": {"latest_revision": before.revision, "stable_revision": before.revision}}
    impact = Impact(old, after, SETTINGS, Stored(after, before, stable=before.revision))
    impact.add(read_instance({**obj, "status": status}))
    return tuple(each.removeprefix("ModelTemplate embed: ") for each in impact.warnings(NOW, complete=True))


def rolling_edit(rollout: dict[str, Any] | None) -> CompiledTemplate:
    fields = {} if rollout is None else {"rollout": rollout}
    return parse_template({**EDITED, "spec": {**EDITED["spec"], **fields}})


ONE = parse_template(BEFORE).revision
CANARY = "1 deployment that names latest gets it at once"


@pytest.mark.parametrize(
    ("entries", "fields", "expected"),
    [
        pytest.param(
            [(ONE, "BOTH"), (None, "BOTH")],
            {},
            ["this change restarts the pods of 1 instance"],
            id="one follows",
        ),
        pytest.param([(ONE, "OLD"), ("stable", "OLD")], {}, [], id="none follows"),
        pytest.param(
            [(ONE, "OLD"), ("latest", "BOTH")],
            {"pin": ONE},
            [f"this change reaches no instance: 1 instance is pinned to another revision; {CANARY}"],
            id="a canary of a pinned instance",
        ),
        pytest.param(
            [(None, "BOTH"), ("latest", "BOTH")],
            {"rollout": {"paused": True}},
            [f"no instance gets this change while spec.rollout.paused is true: 1 instance waits; {CANARY}"],
            id="a canary of one that waits",
        ),
        pytest.param(
            [(None, "BOTH"), ("latest", "OLD")],
            {"pin": ONE},
            [
                "this change makes 1 instance invalid: team/demo; running workers are not changed",
                f"this change reaches no instance: 1 instance is pinned to another revision; {CANARY}",
            ],
            id="a canary of a pinned instance becomes invalid",
        ),
        pytest.param(
            [(ONE, "OLD"), (None, "OLD")],
            {},
            ["this change makes 1 instance invalid: team/demo; running workers are not changed"],
            id="what follows becomes invalid",
        ),
    ],
)
def test_what_an_edit_means_for_deployments_that_name_revisions(
    entries: list[tuple[str | None, str]], fields: dict[str, Any], expected: list[str]
) -> None:
    assert [*impact_on(*entries, **fields)] == expected
