"""Deployments of one instance at several revisions of its template: what is rendered, and what is wrong."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from model_operator.api import ModelInstance
from model_operator.core.planning.plan import Plan, find_problem, make_plan
from model_operator.core.reasons.reasons import Reason
from model_operator.core.rendering.render import render
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_template
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.values.violations import InvalidObjectError

SETTINGS = RenderSettings()
ABSENT = "0" * 12


def template(tag: str, *, model_type: str = "EMBEDDING", **properties: Any) -> CompiledTemplate:
    return parse_template(
        {
            "kind": "ModelTemplate",
            "metadata": {"name": "embed", "namespace": "team", "uid": "t1", "generation": 1},
            "spec": {
                "model_type": model_type,
                "vendor_configuration": {
                    "bundle_config": {
                        "registry": "ghcr.io",
                        "image": "a/b",
                        "tag": tag,
                        "env": {name: f"$(parameters.{name})" for name in properties},
                    },
                    "endpoint_config": {"min_workers": 2, "max_workers": 4},
                },
                "model_creation_parameters_schema": {"properties": properties},
            },
        }
    )


TEXT = {"type": "string", "default": "x"}
OLD = template("1", SIZE={"type": "integer", "maximum": 10, "default": 1}, GONE=TEXT)
NEW = template("2", SIZE={"type": "integer", "maximum": 20, "default": 2}, ADDED=TEXT)
OTHER = template("3", model_type="RERANKING")
BROKEN = template("4", SIZE={"type": "text"})


def instance(*entries: dict[str, Any], **spec: Any) -> ModelInstance:
    return ModelInstance.model_validate(
        {
            "metadata": {"name": "demo", "namespace": "team", "uid": "i1"},
            "spec": {"model_template_id": "embed", "deployments": [*entries], **spec},
        }
    )


def entry(name: str, pin: str | None = None, **more: Any) -> dict[str, Any]:
    return {"name": name, **({"model_template_revision": pin} if pin else {}), **more}


def plan(obj: ModelInstance, pinned: dict[str, CompiledTemplate], own: CompiledTemplate | None = NEW) -> Plan:
    made = make_plan(obj, own, SETTINGS, NEW.revision, pinned)
    assert find_problem(obj, own, SETTINGS, pinned) == (made.problem, made.violations)
    return made


def test_each_deployment_is_rendered_from_its_own_revision() -> None:
    obj = instance(entry("blue", OLD.revision), entry("green"), entry("red", "latest"))

    made = plan(obj, {"blue": OLD, "red": NEW})

    assert made.rendering is not None
    blue, green, red = made.rendering.deployments
    tags = [
        each.deployment.manifest["spec"]["template"]["spec"]["containers"][0]["image"]
        for each in (blue, green, red)
    ]
    assert tags == ["ghcr.io/a/b:1", "ghcr.io/a/b:2", "ghcr.io/a/b:2"]
    assert [each.own_revision for each in (blue, green, red)] == [OLD.revision, None, NEW.revision]
    assert made.own_revisions == {"demo-blue": OLD.revision, "demo-red": NEW.revision}
    assert made.template is NEW


@pytest.mark.parametrize("name", ["blue", "green"])
def test_nothing_of_one_entry_depends_on_the_revision_of_another(name: str) -> None:
    obj = instance(entry("blue", OLD.revision), entry("green"))
    edited = template("9", SIZE={"type": "integer", "default": 7})

    def children(now: CompiledTemplate, pinned: CompiledTemplate) -> list[Any]:
        found = render(now, obj, SETTINGS, {"blue": pinned}).deployments
        return [child.manifest for each in found if each.entry == name for child in each.children]

    kept = (NEW, edited) if name == "green" else (edited, OLD)
    changed = (edited, OLD) if name == "green" else (NEW, edited)
    assert children(NEW, OLD) == children(*kept)
    assert children(NEW, OLD) != children(*changed)


def test_without_pins_the_rendering_is_what_it_is_without_revisions() -> None:
    obj = instance(entry("blue"), entry("green", model_creation_parameters={"SIZE": 3}))
    assert render(NEW, obj, SETTINGS, {}) == render(NEW, obj, SETTINGS)


OLD_NOTE = f" (revision {OLD.revision} of the template)"


@pytest.mark.parametrize(
    ("entries", "shared", "expected"),
    [
        pytest.param(
            [entry("a"), entry("b", OLD.revision, model_creation_parameters={"SIZE": 15})],
            {},
            {"spec.deployments[1].model_creation_parameters.SIZE": OLD_NOTE},
            id="of the entry",
        ),
        pytest.param(
            [entry("a"), entry("b", OLD.revision), entry("c", OLD.revision)],
            {"SIZE": 15},
            {"spec.model_creation_parameters.SIZE": OLD_NOTE},
            id="shared, and fine for the others",
        ),
        pytest.param(
            [entry("a"), entry("b", OLD.revision)],
            {"ADDED": "y"},
            {"spec.model_creation_parameters.ADDED": OLD_NOTE},
            id="a new parameter, for all",
        ),
        pytest.param(
            [entry("a"), entry("b", OLD.revision)],
            {"GONE": "y"},
            {"spec.model_creation_parameters.GONE": ""},
            id="a removed parameter, for all",
        ),
        pytest.param(
            [entry("a", model_creation_parameters={"SIZE": 30}), entry("b", OLD.revision)],
            {},
            {"spec.deployments[0].model_creation_parameters.SIZE": ""},
            id="of an entry without pin",
        ),
        pytest.param(
            [entry("a"), entry("b", OLD.revision)],
            {"SIZE": "one"},
            {"spec.model_creation_parameters.SIZE": ""},
            id="wrong in all revisions",
        ),
        pytest.param(
            [entry("a", model_creation_parameters={"ADDED": "y"}), entry("b", OLD.revision)],
            {},
            {},
            id="a new parameter, in the entry that has it",
        ),
    ],
)
def test_each_revision_validates_the_parameters_of_its_entries(
    entries: list[dict[str, Any]], shared: dict[str, Any], expected: dict[str, str]
) -> None:
    pinned = {each["name"]: OLD for each in entries if "model_template_revision" in each}
    obj = instance(*entries, model_creation_parameters=shared)

    made = plan(obj, pinned)

    assert {str(each).split(": ", 1)[0] for each in made.violations} == expected.keys()
    for each in made.violations:
        note = expected[str(each).split(": ", 1)[0]]
        assert each.msg.endswith(note) if note else "revision" not in each.msg
    assert made.problem is None or made.problem.reason is Reason.InvalidParameters


def test_a_missing_revision_names_the_entry_and_leaves_the_children_as_they_are() -> None:
    made = plan(instance(entry("a", OLD.revision), entry("b", ABSENT)), {"a": OLD})

    assert (made.rendering, made.template) == (None, None)
    assert made.problem is not None
    assert made.problem.reason is Reason.TemplateRevisionNotFound
    assert [str(each) for each in made.violations] == [
        f"spec.deployments[1].model_template_revision: ModelTemplate embed has no revision {ABSENT}"
    ]


def test_all_missing_revisions_are_named() -> None:
    made = plan(instance(entry("a", ABSENT), model_template_revision="1" * 12), {})
    assert [each.loc for each in made.violations] == [
        ("spec", "deployments", 0, "model_template_revision"),
        ("spec", "model_template_revision"),
    ]


def test_the_model_type_is_that_of_each_revision() -> None:
    entries = entry("a"), entry("b", OTHER.revision)
    assert plan(instance(*entries), {"b": OTHER}).problem is None

    made = plan(instance(*entries, model_type="EMBEDDING"), {"b": OTHER})

    assert made.problem is not None
    assert made.problem.reason is Reason.ModelTypeMismatch


def test_an_invalid_template_concerns_those_that_run_it() -> None:
    all_pinned = instance(entry("a", OLD.revision), entry("b", NEW.revision))
    pinned = {"a": OLD, "b": NEW}
    assert plan(all_pinned, pinned, BROKEN).rendering is not None

    made = plan(instance(entry("a", OLD.revision), entry("b")), {"a": OLD}, BROKEN)
    assert made.problem is not None
    assert made.problem.reason is Reason.TemplateInvalid
    with pytest.raises(InvalidObjectError):
        render(BROKEN, instance(), SETTINGS, {})


def test_an_invalid_revision_is_named() -> None:
    made = plan(instance(entry("a", BROKEN.revision)), {"a": BROKEN})
    assert made.problem is not None
    assert made.problem.reason is Reason.TemplateInvalid
    assert made.problem.detail.startswith(f"revision {BROKEN.revision} of ModelTemplate embed is invalid: ")


def test_the_total_of_workers_is_over_all_revisions() -> None:
    obj = instance(entry("a", OLD.revision), entry("b"))
    settings = RenderSettings(max_workers_per_instance=7)
    made = make_plan(obj, NEW, settings, NEW.revision, {"a": OLD})
    assert [each.type for each in made.violations] == ["too_many_workers"]


def test_many_revisions_share_one_budget() -> None:
    """Each revision could otherwise have the work of a whole instance, twenty times."""
    given = ["v"] * 900
    items = {"type": "array", "items": {"enum": ["v"]}, "default": []}

    def revision(number: int) -> CompiledTemplate:
        found = template(str(number))
        spec = copy.deepcopy(found.resource.model_dump(mode="json", exclude_none=True))
        spec["spec"]["model_creation_parameters_schema"] = {"properties": {"LIST": items}}
        return parse_template(spec)

    revisions = [revision(number) for number in range(20)]
    assert not any(each.violations for each in revisions)
    names = [f"d{number}" for number in range(20)]
    obj = instance(
        *(entry(name, each.revision) for name, each in zip(names, revisions, strict=True)),
        model_creation_parameters={"LIST": given},
    )
    alone = instance(entry("d0", revisions[0].revision), model_creation_parameters={"LIST": given})

    faults = render(NEW, obj, SETTINGS, dict(zip(names, revisions, strict=True))).violations

    assert not render(NEW, alone, SETTINGS, {"d0": revisions[0]}).violations
    assert {each.type for each in faults} == {"too_complex"}
