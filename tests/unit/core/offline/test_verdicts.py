"""``validate`` says of the examples what the API server and the webhooks say of them.

The same files are sent to the API server by tests/integration/test_crds.py and
tests/integration/admission/test_verdicts.py.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from hack.kubernetes_schemas import packaged
from model_operator.core.offline.checking import Checker
from model_operator.core.offline.collection import collect
from model_operator.core.offline.documents import read_documents
from model_operator.core.offline.findings import Finding, Severity
from model_operator.core.offline.instance_schema import instance_example, instance_schema
from model_operator.core.offline.kubernetes_schemas import KubernetesSchemas
from model_operator.core.templates.parsing import parse_template
from model_operator.core.templates.render_settings import RenderSettings
from tests.examples.admission import cases as admission
from tests.examples.crds import cases as crds

if TYPE_CHECKING:
    from model_operator.core.templates.compile import CompiledTemplate

SCHEMAS = KubernetesSchemas(packaged())
TEMPLATES = yaml.safe_dump_all(admission.templates())


def check(*texts: str) -> list[Finding]:
    documents = [
        document for number, text in enumerate(texts) for document in read_documents(text, f"{number}.yaml")
    ]
    return Checker(collect(documents), RenderSettings(), SCHEMAS).findings()


def errors(*texts: str) -> list[Finding]:
    return [finding for finding in check(*texts) if finding.severity is Severity.ERROR]


@pytest.mark.parametrize("case", crds.load("invalid"), ids=str)
def test_what_the_definitions_refuse(case: crds.Case) -> None:
    assert case.path in [finding.path for finding in errors(json.dumps(case.object))]


@pytest.mark.parametrize("case", crds.load("valid"), ids=str)
def test_what_the_definitions_accept(case: crds.Case) -> None:
    # The API server knows nothing of references: these, the webhooks deny.
    found = {finding.code for finding in errors(json.dumps(case.object))}

    assert found <= {"undeclared_parameter"}


@pytest.mark.parametrize("case", admission.load("invalid"), ids=str)
def test_what_the_webhooks_deny(case: admission.Case) -> None:
    found = errors(TEMPLATES, yaml.safe_dump(case.object))

    messages = [f"{finding.path}: {finding.message}" for finding in found]
    if case.violations[-1].startswith("spec: and "):
        # The webhook counts what it does not show.
        assert f"spec: and {len(messages) - 10} more" == case.violations[-1]
    shown = [text for text in case.violations if not text.startswith("spec: and ")]
    assert len(messages) >= len(shown)
    assert set(shown) <= set(messages)
    assert all(finding.source == "1.yaml" for finding in found)


@pytest.mark.parametrize("case", admission.load("valid"), ids=str)
def test_what_the_webhooks_admit(case: admission.Case) -> None:
    # The templates of the cases leave a Secret open, which is warned of.
    found = [
        finding for finding in check(TEMPLATES, yaml.safe_dump(case.object)) if finding.source == "1.yaml"
    ]

    assert found == []


def test_templates_of_the_examples() -> None:
    assert errors(TEMPLATES) == []


def compiled_templates() -> dict[str, CompiledTemplate]:
    objects = collect(read_documents(TEMPLATES, "templates.yaml")).templates
    return {manifest.identity[2]: parse_template(manifest.obj) for manifest in objects}


COMPILED = compiled_templates()
INSTANCES = [
    (folder, case)
    for folder in ("valid", "invalid")
    for case in admission.load(folder)
    if case.kind == "ModelInstance" and case.object["spec"].get("model_template_id") in COMPILED
]
BEYOND_A_SCHEMA = {
    # rules over several fields, or over a value and where the template puts it
    "deployment-that-cannot-start-from-zero",
    "deployment-that-lacks-what-none-gives",
    "deployment-with-fewer-workers-than-least",
    "deployment-with-more-workers-than-most",
    "image-tag-that-is-none",
    "label-of-pods-that-is-none",
    "label-that-is-none",
    "resources-that-are-none",
    # formats, which few validators assert
    "string-off-the-format",
}


@pytest.mark.parametrize(("folder", "case"), INSTANCES, ids=str)
def test_schema_of_an_instance_says_the_same(folder: str, case: admission.Case) -> None:
    template = COMPILED[case.object["spec"]["model_template_id"]]

    is_valid = Draft202012Validator(instance_schema(template)).is_valid(case.object)

    assert is_valid == (folder == "valid" or str(case) in BEYOND_A_SCHEMA)


@pytest.mark.parametrize("name", COMPILED)
def test_schema_and_example_of_a_template(name: str) -> None:
    Draft202012Validator.check_schema(instance_schema(COMPILED[name]))

    text, missing = instance_example(COMPILED[name])

    assert missing == ()
    assert [finding for finding in check(TEMPLATES, text) if finding.source == "1.yaml"] == []
    example: Any = yaml.safe_load(text)
    place = COMPILED[name].resource.metadata
    assert example["metadata"].get("namespace") == getattr(place, "namespace", None)
    assert Draft202012Validator(instance_schema(COMPILED[name])).is_valid(example)


@pytest.mark.parametrize("value", ["WARN", "Deny", "off", "", 1, None, ["warn"]])
def test_a_namespace_s_label_of_another_value_is_warned_of(value: Any) -> None:
    labels = {"modeloperator.dev/admission": value}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": labels}}

    (finding,) = check(json.dumps({"apiVersion": "v1", "kind": "List", "items": [namespace]}))

    assert finding.severity is Severity.WARNING
    assert finding.message == "must be deny or warn, in lower case; any other value has no effect"
    assert finding.path == "metadata.labels[modeloperator.dev/admission]"


@pytest.mark.parametrize(("value", "is_warned"), [("off", False), ("on", False), ("Off", True), ("no", True)])
def test_an_instance_s_label_of_another_value_is_warned_of(value: str, *, is_warned: bool) -> None:
    case = next(each for each in admission.load("valid") if each.kind == "ModelInstance")
    labels = {"modeloperator.dev/gateway": value}
    instance = {**case.object, "metadata": {**case.object["metadata"], "labels": labels}}

    found = [each for each in check(TEMPLATES, yaml.safe_dump(instance)) if each.source == "1.yaml"]

    assert [each.path for each in found] == ["metadata.labels[modeloperator.dev/gateway]"] * is_warned
    assert all(each.severity is Severity.WARNING for each in found)


@pytest.mark.parametrize(
    "labels", [None, {}, {"modeloperator.dev/admission": "warn"}, {"admission": "x"}, []]
)
def test_other_namespaces_are_not_warned_of(labels: Any) -> None:
    metadata = {"name": "a", "labels": labels}

    assert check(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})) == []
    other = {"labels": {"modeloperator.dev/admission": "WARN"}}
    assert check(json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": other})) == []
