"""The examples for Argo CD and Flux have the fields that these have, and agree with one another."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import yaml
from jsonschema import Draft202012Validator

from model_operator.api import API_VERSION
from model_operator.core.templates.probes import DEFAULT_STARTUP_TIMEOUT_SECONDS
from model_operator.settings import OperatorSettings
from tests.gitops.examples import APPLICATION, DOCUMENT, FLUX, blocks, examples, foreign_schemas, schema_name

if TYPE_CHECKING:
    from tests.cluster.kube_api import Object

FOREIGN = examples(foreign=True)
KUSTOMIZATIONS = [obj for obj in FOREIGN if obj["kind"] == "Kustomization"]
APPLICATIONS = [obj for obj in FOREIGN if obj["kind"] == "Application"]


def test_all_kinds_are_shown() -> None:
    assert {schema_name(obj) for obj in FOREIGN} == set(foreign_schemas())


@pytest.mark.parametrize("obj", FOREIGN, ids=schema_name)
def test_fields(obj: Object) -> None:
    Draft202012Validator(foreign_schemas()[schema_name(obj)]).validate(obj["spec"])
    assert obj.keys() == {"apiVersion", "kind", "metadata", "spec"}


@pytest.mark.parametrize("name", foreign_schemas())
def test_schemas_refuse_what_is_misspelt(name: str) -> None:
    schema = foreign_schemas()[name]
    Draft202012Validator.check_schema(schema)
    (obj, *_) = (each for each in FOREIGN if schema_name(each) == name)

    assert not Draft202012Validator(schema).is_valid(obj["spec"] | {"intervall": "1m"})


@pytest.mark.parametrize("obj", KUSTOMIZATIONS, ids=lambda obj: str(obj["spec"]["sourceRef"]["kind"]))
def test_flux_waits_and_long_enough(obj: Object) -> None:
    (minutes,) = re.fullmatch(r"(\d+)m", obj["spec"]["timeout"]).groups()  # type: ignore[union-attr]

    assert obj["spec"]["wait"] is True
    assert obj["spec"]["prune"] is True
    assert int(minutes) * 60 > DEFAULT_STARTUP_TIMEOUT_SECONDS


def test_health_expressions_are_of_kinds_of_ours() -> None:
    found = [
        (check["apiVersion"], check["kind"])
        for obj in KUSTOMIZATIONS
        for check in obj["spec"].get("healthCheckExprs", [])
    ]

    assert found == [(API_VERSION, "ModelTemplate"), (API_VERSION, "ClusterModelTemplate")]


@pytest.mark.parametrize("path", FLUX, ids=lambda path: str(path.name))
def test_source_is_in_the_same_file(path: object) -> None:
    source, kustomization = yaml.safe_load_all(path.read_text())  # type: ignore[attr-defined]

    assert kustomization["spec"]["sourceRef"] == {"kind": source["kind"], "name": source["metadata"]["name"]}


@pytest.mark.parametrize("obj", APPLICATIONS, ids=range(len(APPLICATIONS)))
def test_argocd_applies_server_side(obj: Object) -> None:
    options = obj["spec"]["syncPolicy"]["syncOptions"]

    assert "ServerSideApply=true" in options
    assert ("RespectIgnoreDifferences=true" in options) is ("ignoreDifferences" in obj["spec"])


def test_document_shows_the_manifests() -> None:
    shown = blocks()

    for path in (APPLICATION, FLUX[0]):
        assert shown.count(list(yaml.safe_load_all(path.read_text()))) == 2, f"{path.name} and docs/gitops.md"


def test_service_accounts_of_the_document_are_those_that_are_only_warned() -> None:
    users = OperatorSettings().admission.warn_only_users

    assert "system:serviceaccount:argocd:argocd-application-controller" in users
    assert "system:serviceaccount:flux-system:kustomize-controller" in users


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)", DOCUMENT.read_text()):
        if "://" not in target:
            assert (DOCUMENT.parent / target).exists(), target
