"""What files say of the sharing of their templates: with whom, by which labels, and what is not known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.kubernetes_schemas import packaged
from model_operator.cli.inputs import read_inputs
from model_operator.core.offline.checking import Checker
from model_operator.core.offline.collection import FileTemplates, collect
from model_operator.core.offline.documents import read_documents
from model_operator.core.offline.findings import Finding, Severity
from model_operator.core.offline.kubernetes_schemas import KubernetesSchemas
from model_operator.core.offline.namespaces_in_files import namespace_labels
from model_operator.core.offline.rendered import rendered_children
from model_operator.core.templates.render_settings import RenderSettings
from tests.examples.objects import instance, template

SCHEMAS = KubernetesSchemas(packaged())
SETTINGS = RenderSettings()
LABELLED = {"from": "Selected", "selector": {"matchLabels": {"models": "shared"}}}
TEAM = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-a"}}
SHARED_TEAM = {**TEAM, "metadata": {"name": "team-a", "labels": {"models": "shared"}}}
NOT_SHARED = (
    "ModelTemplate platform/encoder is not shared with namespace team-a. Action (template owner): add the "
    "namespace to spec.allowed_namespaces of the template"
)


def of_platform(grant: Any = None, kind: str = "ModelTemplate") -> dict[str, Any]:
    obj = {**template(), "kind": kind}
    if kind == "ModelTemplate":
        obj["metadata"] = {"name": "encoder", "namespace": "platform"}
    if grant is not None:
        obj["spec"]["allowed_namespaces"] = grant
    return obj


def model(namespace: str | None = "team-a", **spec: Any) -> dict[str, Any]:
    obj = instance("search", **{"model_template_namespace": "platform", **spec})
    if namespace is not None:
        obj["metadata"]["namespace"] = namespace
    obj["spec"] = {key: value for key, value in obj["spec"].items() if value is not None}
    return obj


def check(*objects: Any) -> list[Finding]:
    documents = read_documents(yaml.safe_dump_all(objects), "a.yaml")
    labels = namespace_labels(documents)
    return Checker(collect(documents), SETTINGS, SCHEMAS, labels=labels).findings()


def rendered(*objects: Any) -> tuple[int, list[str]]:
    documents = read_documents(yaml.safe_dump_all(objects), "a.yaml")
    collection = collect(documents)
    templates = FileTemplates((each.obj for each in collection.templates), labels=namespace_labels(documents))
    children, problems = rendered_children(collection, templates, SETTINGS)
    return len(children), [each.message for each in problems]


@pytest.mark.parametrize(
    "objects",
    [
        (of_platform({"from": "All"}), model()),
        (of_platform({"from": "Selected", "names": ["team-?"]}), model()),
        (of_platform(LABELLED), model(), SHARED_TEAM),
        (of_platform(LABELLED), model(), SHARED_TEAM, TEAM),
        (of_platform(), model("platform")),
        (of_platform(), model("platform", model_template_namespace=None)),
        (of_platform(LABELLED, "ClusterModelTemplate"), model(model_template_namespace=None), SHARED_TEAM),
        (
            of_platform(
                {"from": "Selected", "selector": {"matchLabels": {"kubernetes.io/metadata.name": "team-a"}}}
            ),
            model(),
            TEAM,
        ),
    ],
)
def test_a_template_that_is_shared_is_used(objects: tuple[Any, ...]) -> None:
    assert check(*objects) == []
    assert rendered(*objects) == (2, [])


@pytest.mark.parametrize(
    "objects",
    [
        (of_platform(), model()),
        (of_platform({"from": "Same"}), model()),
        (of_platform({"from": "Selected", "names": ["team-b"]}), model()),
        (of_platform(LABELLED), model(), TEAM),
        (of_platform(LABELLED), TEAM, SHARED_TEAM, model()),
    ],
)
def test_one_that_is_not_is_an_error(objects: tuple[Any, ...]) -> None:
    (found,) = check(*objects)
    assert (found.severity, found.path) == (Severity.ERROR, "spec.model_template_id")
    assert (found.code, found.message) == ("not_shared", NOT_SHARED)
    assert rendered(*objects) == (0, [NOT_SHARED])


def test_a_cluster_template_that_is_not_shared() -> None:
    grant = {"from": "Selected", "names": ["team-b"]}
    (found,) = check(of_platform(grant, "ClusterModelTemplate"), model(model_template_namespace=None))
    assert found.message.startswith("ClusterModelTemplate encoder is not shared with namespace team-a.")


def test_without_a_namespace_in_the_file_it_is_a_warning() -> None:
    # The instance may be applied to another namespace than the default one.
    (found,) = check(of_platform({"from": "Selected", "names": ["team-b"]}), model(None))
    assert (found.severity, found.code) == (Severity.WARNING, "not_shared")


def test_labels_that_no_file_has_are_a_note() -> None:
    objects = of_platform(LABELLED), model()
    (found,) = check(*objects)
    assert found.severity is Severity.WARNING
    assert found.message == (
        "ModelTemplate platform/encoder may be shared with namespace team-a by the labels of the Namespace, "
        "which is not among the files; the instance was not checked against it"
    )
    assert rendered(*objects) == (0, [found.message])


@pytest.mark.parametrize(
    ("objects", "hint"),
    [
        (
            (of_platform(), model(model_template_namespace=None)),
            (
                "; there is a ModelTemplate of that name in namespace platform; an instance takes one of "
                "another namespace by model_template_namespace, if it is shared with its own"
            ),
        ),
        (
            (of_platform(), model(model_template_namespace="plattform")),
            "; there is a ModelTemplate of that name in namespace platform: change model_template_namespace",
        ),
        (
            (of_platform(kind="ClusterModelTemplate"), model()),
            "; there is a ClusterModelTemplate of that name: remove model_template_namespace",
        ),
        ((of_platform(), model(model_template_id="encodr")), "; did you mean encoder?"),
        (
            (of_platform(), model(model_template_namespace=None, model_template_id="platform/encoder")),
            "; no name has a '/': give the namespace as model_template_namespace",
        ),
        ((of_platform(), model(model_template_id="other")), ""),
    ],
)
def test_the_likely_template(objects: tuple[Any, ...], hint: str) -> None:
    (found,) = check(*objects)
    assert found.message.partition("was not checked against it")[2] == hint


def test_a_singular_is_not_taken_for_a_field_of_another_place() -> None:
    (found,) = check(of_platform({"from": "All", "name": ["team-a"]}))
    assert (found.path, found.message) == (
        "spec.allowed_namespaces.name",
        "unknown field; did you mean names?",
    )


def test_no_cluster_template_is_missed_by_an_instance_that_names_a_namespace() -> None:
    (found,) = check(of_platform(kind="ClusterModelTemplate"), model())
    assert found.message.startswith("no ModelTemplate of this name is among the files; ")


@pytest.mark.parametrize(
    "other",
    [
        "kind: Namespace\napiVersion: v1\nmetadata: {name: team-a, labels: {models: {}}}\n",
        "apiVersion: v1\nkind: Namespace\nmetadata: team-a\n",
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: [team-a]}\n",
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: {{ .Release.Namespace }}}\n",
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: team-a\n",
    ],
)
def test_namespaces_that_cannot_be_read_say_nothing(other: str) -> None:
    labels = namespace_labels(read_documents(other, "a.yaml"))
    assert labels in ({}, {"team-a": {"kubernetes.io/metadata.name": "team-a"}})


def test_of_a_directory_files_with_namespaces_alone_are_read(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(yaml.safe_dump_all([of_platform(LABELLED), model()]))
    (tmp_path / "namespace.yaml").write_text(yaml.safe_dump(SHARED_TEAM))
    (tmp_path / "chart.yaml").write_text("kind: Namespace\nmetadata:\n  name: {{ .Values.name }\n")
    inputs = read_inputs([str(tmp_path)])
    assert (inputs.files, inputs.omitted) == (1, 2)
    assert [each for document in inputs.documents for each in document.faults] == []
    labels = namespace_labels([*inputs.documents, *inputs.beside])
    assert labels["team-a"] == {"models": "shared", "kubernetes.io/metadata.name": "team-a"}
