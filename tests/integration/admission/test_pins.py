"""Instances that name a revision of their template: what the webhook says to people and to batch appliers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from model_operator.core.templates.revisions.identity import revision_of
from model_operator.core.templates.revisions.objects import revision_object
from tests.cluster.kube_api import KubeApiError
from tests.cluster.waiting import wait_for
from tests.examples.objects import instance, template
from tests.fixtures.people import FLUX, Writer

if TYPE_CHECKING:
    from tests.cluster.kubectl import Kubectl
    from tests.fixtures.admission import Admission

ABSENT = "000000000000"


def test_a_revision_that_does_not_exist_is_denied_to_people_alone(
    admission: Admission, kubectl: Kubectl
) -> None:
    api = admission.api
    api.create(template("named"))
    wrong = instance("named-absent", model_template_id="named", model_template_revision=ABSENT)

    with pytest.raises(KubeApiError, match=f"ModelTemplate named has no revision {ABSENT}"):
        api.create(wrong)
    said = Writer(kubectl, api.namespace, FLUX).says("create", "-f", "-", objects=[wrong])

    assert f"ModelTemplate named has no revision {ABSENT}; it will be deployed when the revision" in said
    assert "modelinstance.modeloperator.dev/named-absent created" in said
    api.wait_for_condition(
        "ModelInstance", "named-absent", "Ready", "False", reason="TemplateRevisionNotFound"
    )


def test_the_hash_of_a_file_is_that_of_the_cluster_and_may_be_named(admission: Admission) -> None:
    api = admission.api
    written = template("filed")
    expected = revision_of(written)
    earlier: Any = template("filed", image="earlier")
    api.create(written)

    wait_for(lambda: api.get("ModelTemplate", "filed")["status"].get("latest_revision") == expected.hash)
    stored = api.get("ModelTemplateRevision", expected.name)
    assert stored["spec"]["template_spec"] == revision_object(written)["spec"]["template_spec"]

    # One that the cluster has never seen comes from a file, at once before the instance that names it.
    api.create(revision_object(earlier))
    api.create(
        instance("filed-0", model_template_id="filed", model_template_revision=revision_of(earlier).hash)
    )
    api.wait_for_condition("ModelInstance", "filed-0", "Ready")
    status = api.get("ModelInstance", "filed-0")["status"]
    assert status["template"]["revision"] == revision_of(earlier).hash
    conditions = {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}
    assert conditions["UpToDate"] == ("False", "Pinned")


def test_a_deployment_may_name_a_revision_that_comes_with_it(admission: Admission, kubectl: Kubectl) -> None:
    api = admission.api
    api.create(template("parts"))
    wait_for(lambda: api.get("ModelTemplate", "parts").get("status", {}).get("latest_revision"))
    earlier: Any = template("parts", image="earlier")

    def deployed(name: str, *pins: str) -> Any:
        entries = [{"name": f"d{number}", "model_template_revision": pin} for number, pin in enumerate(pins)]
        return instance(name, model_template_id="parts", deployments=entries)

    wrong = deployed("parts-absent", "latest", ABSENT)
    with pytest.raises(KubeApiError) as caught:
        api.create(wrong)
    said = f"spec.deployments[1].model_template_revision: ModelTemplate parts has no revision {ABSENT}"
    assert said.split(": ", 1)[1] in str(caught.value)
    assert "spec.deployments[1].model_template_revision" in str(caught.value)
    assert said in Writer(kubectl, api.namespace, FLUX).says("create", "-f", "-", objects=[wrong])

    api.create(revision_object(earlier))
    api.create(deployed("parts-0", "latest", revision_of(earlier).hash, "stable"))
    found = api.wait_for_condition("ModelInstance", "parts-0", "Ready")["status"]["deployments"]
    latest = revision_of(template("parts")).hash
    assert [each["template_revision"] for each in found] == [latest, revision_of(earlier).hash, latest]


def test_an_instance_that_waits_may_be_changed_by_its_own_rules_or_the_latest(admission: Admission) -> None:
    api = admission.api
    obj: Any = template("waits")
    obj["spec"]["rollout"] = {"soak_seconds": 0}
    api.create(obj)
    api.create(instance("waits-0", model_template_id="waits"))
    api.wait_for_condition("ModelInstance", "waits-0", "Ready")
    wait_for(lambda: api.get("ModelTemplate", "waits")["status"].get("stable_revision"))
    properties = {"BATCH_SIZE": None, "CONTEXT": {"type": "integer", "default": 8}}
    edit = {"model_creation_parameters_schema": {"properties": properties}, "rollout": {"paused": True}}
    api.patch("ModelTemplate", "waits", {"spec": edit})
    api.wait_for_condition("ModelInstance", "waits-0", "UpToDate", "False", reason="AwaitingRollout")

    def change(**parameters: Any) -> None:
        api.patch("ModelInstance", "waits-0", {"spec": {"model_creation_parameters": parameters}})

    change(BATCH_SIZE=2)
    api.wait_for_condition("ModelInstance", "waits-0", "Ready")
    with pytest.raises(KubeApiError, match="BATCH_SIZE"):
        change(BATCH_SIZE="two")
    with pytest.raises(KubeApiError, match="of the template"):
        change(CONTEXT=16)
    change(BATCH_SIZE=None, CONTEXT=16)

    api.patch("ModelTemplate", "waits", {"spec": {"rollout": {"paused": False}}})
    api.wait_for_condition("ModelInstance", "waits-0", "UpToDate", reason="Latest")
    api.wait_for_condition("ModelInstance", "waits-0", "Ready")
