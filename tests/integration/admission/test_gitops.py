"""Commits that change a template and its instances together go through, the way Flux applies them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from model_operator.core.objects.kept_form import CREATED_BY_USER
from tests.cluster.waiting import wait_for
from tests.examples.objects import (
    environment,
    instance,
    template,
    wait_until_counted,
)
from tests.fixtures.people import ARGOCD, FLUX, Writer

if TYPE_CHECKING:
    from tests.cluster.kube_api import KubeApi, Object, Objects
    from tests.cluster.kubectl import Kubectl
    from tests.fixtures.admission import Admission


def _commit(name: str, *, new: bool) -> Objects:
    """Give what is in the repository, in the order in which Flux applies it: the instance first."""
    model, server = instance(name, model_template_id=name), template(name)
    if new:
        schema = server["spec"]["model_creation_parameters_schema"]
        schema["properties"]["DTYPE"] = {"enum": ["float16", "float32"]}
        schema["required"].append("DTYPE")
        model["spec"]["model_creation_parameters"]["DTYPE"] = "float16"
    return [model, server]


def _reconcile(flux: Writer, objects: Objects) -> tuple[str, str]:
    """Apply as Flux does: a dry-run of everything, and only if all of that succeeds, everything."""
    apply = ("apply", "--server-side", "--field-manager=kustomize-controller", "-f", "-")
    said = [flux.run(*apply, "--dry-run=server", objects=[obj]).stderr for obj in objects]
    done = [flux.run(*apply, objects=[obj]).stderr for obj in objects]
    return "".join(said), "".join(done)


def test_commit_that_changes_both(admission: Admission, kubectl: Kubectl) -> None:
    api = admission.api
    flux = Writer(kubectl, api.namespace, FLUX)
    _reconcile(flux, _commit("together", new=False))
    api.wait_for_condition("ModelInstance", "together", "Ready")

    said, done = _reconcile(flux, _commit("together", new=True))

    warning = "Warning: ModelInstance together: spec.model_creation_parameters.DTYPE: unknown parameter"
    assert warning in said
    assert warning in done
    obj = _wait_for_generation(api, "together")
    assert obj["status"]["validation_errors"] == []
    assert environment(api.get("Deployment", "together"))["DTYPE"] == "float16"


def test_person_is_told_to_change_the_template_first(admission: Admission, kubectl: Kubectl) -> None:
    api = admission.api
    person = Writer(kubectl, api.namespace, "alice")
    person.run("apply", "-f", "-", objects=_commit("first", new=False))
    model, server = _commit("first", new=True)

    assert "DTYPE: unknown parameter" in person.says("apply", "-f", "-", objects=[model])
    person.run("apply", "-f", "-", objects=[server])
    person.run("apply", "-f", "-", objects=[model])


def test_new_namespace_with_the_instance_first(admission: Admission, kubectl: Kubectl) -> None:
    api = admission.api
    flux = Writer(kubectl, api.namespace, FLUX)

    said, _ = _reconcile(flux, _commit("fresh", new=True))

    assert "There is no ModelTemplate in this namespace or ClusterModelTemplate" in said
    api.wait_for_condition("ModelInstance", "fresh", "Ready")


def test_label_of_the_namespace_comes_before_the_user(admission: Admission, kubectl: Kubectl) -> None:
    wrong = instance("labelled", model_template_id="encoder", model_creation_parameters={"MODEL_NAME": 7})
    fault = "spec.model_creation_parameters.MODEL_NAME: must be a string, got an integer"
    apply = ("apply", "--dry-run=server", "-f", "-")

    said = {
        (api, user): Writer(kubectl, api.namespace, user).says(*apply, objects=[wrong])
        for api in (admission.api, admission.warn, admission.deny)
        for user in ("alice", FLUX)
    }

    denied = f'The ModelInstance "labelled" is invalid: {fault}'
    warned = f"Warning: ModelInstance labelled: {fault}"
    assert said[admission.api, "alice"].startswith(denied)
    assert said[admission.api, FLUX].startswith(warned)
    for user in ("alice", FLUX):
        assert said[admission.warn, user].startswith(warned)
        assert said[admission.deny, user].startswith(denied)


def test_what_an_instance_says_alone_is_denied_to_everybody(admission: Admission, kubectl: Kubectl) -> None:
    huge = instance("huge", model_creation_parameters={"A": list(range(2000))})
    huge["spec"]["model_template_id"] = "of-a-later-commit"

    for api in (admission.api, admission.warn):
        said = Writer(kubectl, api.namespace, FLUX).says("apply", "-f", "-", objects=[huge])
        assert "spec.model_creation_parameters: must have at most 1000 elements, got more" in said
        assert said.startswith('The ModelInstance "huge" is invalid')


@pytest.mark.parametrize(("user", "manager"), [(ARGOCD, "argocd-controller"), (FLUX, "kustomize-controller")])
def test_who_created_it_is_no_difference_to_git(
    admission: Admission, kubectl: Kubectl, user: str, manager: str
) -> None:
    api, name = admission.api, f"synced-by-{manager}"
    writer = Writer(kubectl, api.namespace, user)
    objects = _commit(name, new=False)
    _sync(writer, manager, objects)
    api.wait_for_condition("ModelInstance", name, "Ready")
    wait_until_counted(api, name)
    live = [api.get(obj["kind"], name) for obj in objects]
    assert live[0]["metadata"]["annotations"][CREATED_BY_USER] == user

    # Argo CD's server-side diff, mutating webhooks included; and Flux's search for drift.
    assert _sync(writer, manager, objects, "--dry-run=server") == live
    assert _sync(writer, manager, objects) == live
    # Argo CD without server-side apply.
    writer.run("apply", "-f", "-", objects=objects)
    again = writer.run("apply", "-f", "-", objects=objects).stdout.splitlines()
    assert [line.split()[-1] for line in again] == ["unchanged", "unchanged"]


def test_sync_while_the_operator_is_away_keeps_who_created_it(
    private_admission: Admission, kubectl: Kubectl
) -> None:
    api = private_admission.api
    flux = Writer(kubectl, api.namespace, FLUX)
    private_admission.start()
    _sync(flux, "kustomize-controller", _commit("kept", new=False))
    private_admission.stop()

    model, server = _commit("kept", new=False)
    model["spec"]["description"] = "new"
    _sync(flux, "kustomize-controller", [model, server])

    obj = api.get("ModelInstance", "kept")
    assert obj["spec"]["description"] == "new"
    assert obj["metadata"]["annotations"][CREATED_BY_USER] == FLUX


def _sync(writer: Writer, manager: str, objects: Objects, *words: str) -> list[Any]:
    """Apply server-side; give what the API server answers."""
    apply = ("apply", "--server-side", "--force-conflicts", f"--field-manager={manager}", "-f", "-")
    shown = ("-o", "json", "--show-managed-fields")
    return [json.loads(writer.run(*apply, *words, *shown, objects=[obj]).stdout) for obj in objects]


def _wait_for_generation(api: KubeApi, name: str) -> Object:
    """Wait until an instance runs its template as it is now."""
    generation = api.get("ModelTemplate", name)["metadata"]["generation"]

    def rolled_out() -> Object:
        obj = api.wait_for_condition("ModelInstance", name, "Ready")
        assert obj["status"]["template"]["generation"] == generation
        return obj

    return wait_for(rolled_out)
