"""Templates of other namespaces at admission: what is not shared is answered like what does not exist."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.kube_api import KubeApiError
from tests.cluster.waiting import wait_for
from tests.examples.objects import instance, template
from tests.fixtures.people import FLUX, Writer

if TYPE_CHECKING:
    from tests.cluster.kube_api import KubeApi, Object
    from tests.cluster.kubectl import Kubectl
    from tests.fixtures.admission import Admission


def shared(name: str, *namespaces: str) -> Object:
    obj = template(name)
    obj["spec"]["allowed_namespaces"] = {"from": "Selected", "names": list(namespaces)}
    return obj


def model(owner: KubeApi, template_id: str, name: str = "search", **spec: Any) -> Object:
    return instance(name, model_template_id=template_id, model_template_namespace=owner.namespace, **spec)


def test_a_shared_template_judges_the_instances_of_others(admission: Admission) -> None:
    owner, asker = admission.api, admission.deny
    owner.create(shared("offered", asker.namespace))
    wrong = model(owner, "offered", model_creation_parameters={"BATCH_SIZE": "many"})
    with pytest.raises(KubeApiError, match=r"BATCH_SIZE: must be an integer, got a string"):
        asker.create(wrong)
    asker.create(model(owner, "offered", "fits"))
    asker.wait_for_condition("ModelInstance", "fits", "Ready")
    bound = asker.get("ModelInstance", "fits")["status"]["template"]
    assert (bound["kind"], bound["namespace"], bound["name"]) == ("ModelTemplate", owner.namespace, "offered")


def test_absent_and_not_shared_get_the_same_answer(admission: Admission, kubectl: Kubectl) -> None:
    owner = admission.api
    owner.create(template("hidden"))
    uid = owner.get("ModelTemplate", "hidden")["metadata"]["uid"]
    absent_uid = f"00000000{uid[8:]}"
    for asker in (admission.deny, admission.warn):
        for user in ("alice", FLUX):
            writer = Writer(kubectl, asker.namespace, user)

            def says(template_id: str, writer: Writer = writer) -> str:
                # By the schema of the template, the parameters are wrong.
                wrong = model(owner, template_id, model_creation_parameters={"UNKNOWN": 1})
                said = writer.says("create", "--dry-run=server", "-f", "-", objects=[wrong])
                return said.replace(template_id, "NAME")

            said = says("hidden")
            assert said == says("absent")
            assert says(uid) == says(absent_uid)
            assert said == (
                f"Warning: ModelInstance search: There is no ModelTemplate in namespace {owner.namespace} "
                "with the name or id 'NAME', or it is not shared with this namespace; the instance will be "
                "validated and deployed when the template exists and is shared\n"
                "modelinstance.modeloperator.dev/search created (server dry run)\n"
            )


def test_a_withdrawal_is_counted_and_no_fault_of_the_instances(
    admission: Admission, kubectl: Kubectl
) -> None:
    owner, asker = admission.api, admission.deny
    owner.create(shared("withdrawn", asker.namespace))
    asker.create(model(owner, "withdrawn", "served"))
    asker.wait_for_condition("ModelInstance", "served", "Ready")
    person = Writer(kubectl, owner.namespace, "alice")
    grant = json.dumps({"spec": {"allowed_namespaces": {"names": ["elsewhere"]}}})

    said = person.says("patch", "modeltemplate", "withdrawn", "--type=merge", "--patch", grant)

    assert said.splitlines()[0] == (
        "Warning: ModelTemplate withdrawn: this change withdraws the template from 1 instance: "
        f"{asker.namespace}/served; running workers stay, and no change reaches these instances until it is "
        "shared with them again"
    )
    asker.wait_for_condition("ModelInstance", "served", "Ready", "False", reason="TemplateNotShared")
    edit = json.dumps({"spec": {"model_creation_parameters": {"UNKNOWN": 1}}})
    other = Writer(kubectl, asker.namespace, "alice")

    def edited() -> str:
        return other.says(
            "patch", "modelinstance", "served", "--type=merge", "--patch", edit, "--dry-run=server"
        )

    wait_for(lambda: "is no longer shared with this namespace" in edited(), message="a warning")
    assert "patched" in edited()
