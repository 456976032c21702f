"""Commits of templates and instances, applied, awaited and pruned the way Flux does it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cluster.waiting import wait_for
from tests.examples.objects import (
    edit_bundle,
    held,
    instance,
    ready,
    start_pods,
    template,
    wait_until_counted,
)
from tests.gitops.flux import LABELS, FluxRepository
from tests.gitops.kstatus import KStatus, compute
from tests.integration.gitops.states import conditions

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.kube_api import KubeApi, Object
    from tests.cluster.kubectl import Kubectl

pytestmark = pytest.mark.usefixtures("operator")

EXTERNAL: Object = {
    "apiVersion": "modeloperator.dev/v1alpha1",
    "kind": "ModelInstance",
    "metadata": {"name": "elsewhere"},
    "spec": {"model_vendor": "OPENAI", "model_type": "EMBEDDING"},
}


@pytest.fixture
def flux(api: KubeApi, kubectl: Kubectl, tmp_path: Path) -> FluxRepository:
    return FluxRepository(api, kubectl=kubectl, folder=tmp_path)


def test_life_of_a_repository(flux: FluxRepository) -> None:
    api = flux.api
    commit = (template(), instance(), EXTERNAL)

    answers = flux.reconcile(*commit)
    assert [obj["kind"] for obj in answers] == ["ModelInstance", "ModelInstance", "ModelTemplate"]
    assert {compute(obj)[0] for obj in answers} == {KStatus.IN_PROGRESS}, "none is taken for ready too soon"
    assert set(flux.wait().values()) == {KStatus.CURRENT}
    deployment = api.get("Deployment", "minilm")
    assert not LABELS.keys() & deployment["metadata"]["labels"].keys()

    # The next interval, nothing new in Git.
    wait_until_counted(api)
    before = _versions(api)
    flux.reconcile(*commit)
    assert _versions(api) == before

    # Somebody removes the template and forgets the instance: what serves serves on.
    flux.reconcile(instance(), EXTERNAL)
    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="TemplateNotFound")
    assert flux.statuses() == {"minilm": KStatus.IN_PROGRESS, "elsewhere": KStatus.CURRENT}
    assert conditions(obj)["Available"] == ("True", "Serving")
    assert api.get("Deployment", "minilm")["metadata"]["uid"] == deployment["metadata"]["uid"]

    # Reverted.
    flux.reconcile(*commit)
    assert set(flux.wait().values()) == {KStatus.CURRENT}
    after = api.get("Deployment", "minilm")["metadata"]
    assert (after["uid"], after["generation"]) == (
        deployment["metadata"]["uid"],
        deployment["metadata"]["generation"],
    )

    # A mistake that stays fails long before the timeout, and what serves serves on.
    flux.reconcile(template(), instance(model_creation_parameters={"MODEL_NAME": 7}), EXTERNAL)
    assert flux.wait()["minilm"] == KStatus.FAILED
    assert api.get("Deployment", "minilm")["metadata"]["generation"] == after["generation"]

    # Everything goes.
    flux.reconcile(EXTERNAL)
    for kind, name in (("ModelInstance", "minilm"), ("ModelTemplate", "encoder"), ("Deployment", "minilm")):
        api.wait_until_gone(kind, name)


def test_commit_that_changes_both_ends_current(flux: FluxRepository) -> None:
    flux.reconcile(template(), instance())
    flux.wait()
    parameters = {"MODEL_NAME": "all-MiniLM-L6-v2", "DTYPE": "float16"}
    changed = template()
    changed["spec"]["model_creation_parameters_schema"]["properties"]["DTYPE"] = {"type": "string"}

    # The instance comes first, so for a moment it names a parameter that its template does not have yet.
    flux.reconcile(changed, instance(model_creation_parameters=parameters))

    obj = flux.api.wait_for_condition("ModelInstance", "minilm", "Ready")
    assert obj["status"]["template"]["generation"] == 2
    assert set(flux.wait().values()) == {KStatus.CURRENT}


def test_pruning_template_and_instance_at_once(flux: FluxRepository) -> None:
    flux.reconcile(template(), instance(), EXTERNAL)
    flux.wait()

    flux.reconcile(EXTERNAL)

    for kind in ("ModelTemplate", "ModelInstance"):
        flux.api.wait_until_gone(kind, "encoder" if kind == "ModelTemplate" else "minilm")
    flux.api.wait_until_gone("Deployment", "minilm")


def test_first_word_about_an_edited_template_is_not_that_it_is_rolled_out(flux: FluxRepository) -> None:
    flux.reconcile(held(template()), instance())
    start_pods(flux.api)
    flux.wait()
    start = flux.api.get("ModelInstance", "minilm")["metadata"]["resourceVersion"]

    edit_bundle(flux.api, tag="v2")
    start_pods(flux.api)
    wait_for(lambda: flux.api.get("ModelInstance", "minilm")["status"]["template"]["generation"] == 2)
    flux.api.wait_for_condition("ModelInstance", "minilm", "Ready")

    told = [compute(version)[0] for version in flux.api.versions("ModelInstance", "minilm", start)]
    assert told[0] == KStatus.IN_PROGRESS
    assert told[-1] == KStatus.CURRENT
    assert ready(flux.api.get("ModelInstance", "minilm"))["reason"] == "RolledOut"


def _versions(api: KubeApi) -> str:
    """Give the versions of everything in the namespace that a needless write would change."""
    kinds = ("ModelTemplate", "ModelInstance", "Deployment", "Service")
    found = {
        f"{kind} {obj['metadata']['name']}": (
            obj["metadata"]["resourceVersion"],
            obj["metadata"].get("generation"),
        )
        for kind in kinds
        for obj in api.list(kind)
    }
    return json.dumps(found, indent=1)
