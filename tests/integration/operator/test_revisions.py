"""Revisions of templates: what instances run is stored first, and goes on while a template is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from model_operator.core.templates.revisions.identity import revision_of
from model_operator.core.templates.revisions.objects import revision_object
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kube_api import KubeApi, KubeApiError
from tests.cluster.waiting import wait_for
from tests.examples.objects import (
    TEMPLATE,
    container,
    deploy,
    edit_bundle,
    environment,
    instance,
    ready,
    template,
)
from tests.fixtures.cluster import PrivateOperator
from tests.integration.operator.test_upgrade import OTHER, grace, look_at_everything

if TYPE_CHECKING:
    from tests.cluster.kube_api import Object

shared = pytest.mark.usefixtures("operator")

BROKEN = {"BROKEN": "$(parameters.NO_SUCH_PARAMETER)"}
"""Variables that make a template invalid."""


def revisions(api: KubeApi) -> dict[str, Object]:
    """Give the stored revisions by their hash."""
    return {each["spec"]["hash"]: each for each in api.list("ModelTemplateRevision")}


def latest(api: KubeApi) -> str:
    """Give the hash of the latest revision once the template's status is up to date."""

    def found() -> Any:
        obj = api.get("ModelTemplate", "encoder")
        status = obj.get("status", {})
        is_seen = status.get("observedGeneration") == obj["metadata"]["generation"]
        return status.get("latest_revision") if is_seen else None

    return str(wait_for(found, message="the template has a latest revision"))


def run(api: KubeApi, name: str = "minilm") -> str | None:
    """Give the revision that the status of an instance names."""
    revision: str | None = api.get("ModelInstance", name)["status"]["template"].get("revision")
    return revision


def is_image(api: KubeApi, tag: str, name: str = "minilm") -> bool:
    """Return whether the Deployment has this tag."""
    return bool(container(api.get("Deployment", name))["image"] == f"registry.test/encoder:{tag}")


def wait_for_image(api: KubeApi, tag: str, name: str = "minilm") -> None:
    """Wait until the Deployment has this tag."""
    wait_for(lambda: is_image(api, tag, name), message=f"{name} has {tag}")


def up_to_date(api: KubeApi, name: str = "minilm") -> tuple[str, str]:
    """Give status and reason of the condition UpToDate."""
    conditions = api.get("ModelInstance", name)["status"]["conditions"]
    found = next(each for each in conditions if each["type"] == "UpToDate")
    return found["status"], found["reason"]


def in_the_cluster(obj: Object, name: str) -> Object:
    """Give a template as one of the cluster, under a name."""
    return {**obj, "kind": "ClusterModelTemplate", "metadata": {"name": name}}


def break_template(api: KubeApi) -> None:
    """Make the template invalid, and wait until the operator has seen it."""
    edit_bundle(api, env=BROKEN)
    api.wait_for_condition("ModelTemplate", "encoder", "Ready", "False", reason="TemplateInvalid")


@shared
def test_an_edit_and_its_reversal_name_the_same_revisions(api: KubeApi) -> None:
    deploy(api)
    first = latest(api)
    assert first == revision_of(template()).hash, "offline as in the cluster"
    assert run(api) == first

    edit_bundle(api, tag="v2")
    wait_for(lambda: is_image(api, "v2"))
    wait_for(lambda: run(api) != first)
    second = latest(api)
    assert revisions(api).keys() == {first, second}

    before = revisions(api)
    edit_bundle(api, tag="v1")
    wait_for(lambda: is_image(api, "v1"))
    wait_for(lambda: run(api) == first)
    assert latest(api) == first
    assert revisions(api) == before, "none is added or changed"
    assert [before[each]["spec"]["number"] for each in (first, second)] == [1, 2]


@shared
def test_a_revision_is_owned_by_its_template_and_cannot_be_changed(api: KubeApi) -> None:
    uid = api.apply(TEMPLATE)["metadata"]["uid"]
    name = f"encoder-{latest(api)}"
    found = api.get("ModelTemplateRevision", name)
    (owner,) = found["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("ModelTemplate", uid, True)
    assert found["metadata"]["labels"] == {"modeloperator.dev/template": "encoder"}

    bundle = {"vendor_configuration": {"bundle_config": {"tag": "evil"}}}
    with pytest.raises(KubeApiError, match="a revision cannot be changed"):
        api.patch("ModelTemplateRevision", name, {"spec": {"template_spec": bundle}})
    api.delete("ModelTemplate", "encoder")
    api.wait_until_gone("ModelTemplateRevision", name)


@shared
def test_instances_of_a_broken_template_go_on_with_its_last_revision(api: KubeApi) -> None:
    deploy(api)
    good = latest(api)
    break_template(api)
    assert latest(api) == good
    assert revisions(api).keys() == {good}

    # Drift.
    api.delete("Service", "minilm")
    wait_for(lambda: api.find("Service", "minilm"), message="the Service is back")
    image = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "evil:1"}
    api.patch("Deployment", "minilm", [image], patch_type="json")
    wait_for(lambda: is_image(api, "v1"))
    # Scaling.
    api.patch("ModelInstance", "minilm", {"spec": {"replicas": 2}})
    wait_for(lambda: api.get("Deployment", "minilm")["spec"]["replicas"] == 2)
    # Parameters.
    api.patch("ModelInstance", "minilm", {"spec": {"model_creation_parameters": {"BATCH_SIZE": 4}}})
    wait_for(lambda: environment(api.get("Deployment", "minilm"))["BATCH_SIZE"] == "4")
    # A new one.
    api.apply(instance("second"))
    for name in ("minilm", "second"):
        api.wait_for_condition("ModelInstance", name, "Ready", reason="RolledOut")
        assert run(api, name) == good
    api.wait_for_condition("ModelTemplate", "encoder", "RolledOut", "False", reason="TemplateInvalid")

    edit_bundle(api, env={"BROKEN": None}, tag="v2")
    wait_for(lambda: is_image(api, "v2") and is_image(api, "v2", "second"))


@shared
def test_a_template_that_was_never_valid_has_no_revision(api: KubeApi) -> None:
    api.apply(template(env=BROKEN))
    api.apply(instance())
    api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="TemplateInvalid")
    assert revisions(api) == {}
    assert "latest_revision" not in api.get("ModelTemplate", "encoder")["status"]

    edit_bundle(api, env={"BROKEN": None})
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")


@shared
def test_a_pinned_instance_stays_at_its_revision(api: KubeApi) -> None:
    deploy(api)
    deploy(api, name="second")
    first = latest(api)
    api.patch("ModelInstance", "minilm", {"spec": {"model_template_revision": first}})
    edit_bundle(api, tag="v2")
    wait_for(lambda: is_image(api, "v2", "second"))
    second = latest(api)

    wait_for(lambda: up_to_date(api) == ("False", "Pinned"))
    assert up_to_date(api, "second")[0] == "True"
    assert is_image(api, "v1")
    # It is reconciled in full.
    api.delete("Service", "minilm")
    wait_for(lambda: api.find("Service", "minilm"), message="the Service is back")
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")
    # The edit is not for it.
    api.wait_for_condition("ModelTemplate", "encoder", "RolledOut", reason="AllUpdated")

    api.patch("ModelInstance", "minilm", {"spec": {"model_template_revision": second}})
    wait_for(lambda: is_image(api, "v2"))
    wait_for(lambda: up_to_date(api)[0] == "True")
    api.patch("ModelInstance", "minilm", {"spec": {"model_template_revision": "latest"}})
    edit_bundle(api, tag="v3")
    wait_for(lambda: is_image(api, "v3"))


@shared
def test_a_pin_without_a_revision_changes_nothing_until_somebody_brings_it(api: KubeApi) -> None:
    deploy(api)
    wanted = template(tag="v7")
    stored = revision_object(wanted)
    api.patch("ModelInstance", "minilm", {"spec": {"model_template_revision": stored["spec"]["hash"]}})
    api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="TemplateRevisionNotFound")
    assert is_image(api, "v1")

    # From Git, into a cluster that was built again.
    api.apply(stored)
    wait_for(lambda: is_image(api, "v7"))
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")
    assert up_to_date(api) == ("False", "Pinned")


@shared
def test_a_forged_revision_is_ignored(api: KubeApi) -> None:
    deploy(api)
    forged = revision_object(template(tag="v7"))
    bundle = forged["spec"]["template_spec"]["vendor_configuration"]["bundle_config"]
    bundle["image"] = "evil"
    api.apply(forged)
    api.patch("ModelInstance", "minilm", {"spec": {"model_template_revision": forged["spec"]["hash"]}})
    api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="TemplateRevisionNotFound")
    assert is_image(api, "v1")

    # Nor does anything follow an edit whose name it takes.
    api.patch("ModelInstance", "minilm", {"spec": {"model_template_revision": None}})
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")
    edit_bundle(api, tag="v7")
    api.wait_for_condition("ModelTemplate", "encoder", "Ready", "False", reason="RevisionNotStored")
    assert is_image(api, "v1")
    api.delete("ModelTemplateRevision", forged["metadata"]["name"])
    wait_for(lambda: is_image(api, "v7"))
    api.wait_for_condition("ModelTemplate", "encoder", "Ready")


@shared
def test_a_revision_that_is_none_of_the_template_is_ignored(api: KubeApi, namespace: str) -> None:
    """Of another kind, of another template, in another namespace; and the genuine one cannot be edited."""
    name = f"t-{namespace}"
    api.apply(template(name))
    api.apply(instance(model_template_id=name))
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")
    genuine = revision_object(template(name, tag="v7"))
    wanted = genuine["spec"]["hash"]
    elsewhere = api.in_namespace("default")
    of_cluster = revision_object(in_the_cluster(template(tag="v7"), name))
    api.apply(of_cluster)
    elsewhere.apply(genuine)
    try:
        assert of_cluster["metadata"]["name"] == genuine["metadata"]["name"]
        api.apply(revision_object(template("another", tag="v7")))
        for forged, message in (
            (
                {**genuine, "spec": {**genuine["spec"], "template": {"kind": "ModelTemplate", "name": "x"}}},
                "the name",
            ),
            ({**of_cluster, "kind": "ModelTemplateRevision"}, "must be ModelTemplate"),
        ):
            with pytest.raises(KubeApiError, match=message):
                api.apply(forged)

        api.patch("ModelInstance", "minilm", {"spec": {"model_template_revision": wanted}})
        api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="TemplateRevisionNotFound")
        assert is_image(api, "v1")

        # Labels, as tools write them, decide on nothing.
        api.apply(
            {**genuine, "metadata": {**genuine["metadata"], "labels": {"modeloperator.dev/template": "x"}}}
        )
        wait_for_image(api, "v7")
        api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")
        edited = revision_object(template(name, tag="v8"))["spec"]["template_spec"]
        with pytest.raises(KubeApiError, match="a revision cannot be changed"):
            api.apply({**genuine, "spec": {**genuine["spec"], "template_spec": edited}}, manager="argocd")

        # But it can be deleted and put there again with another content.
        api.delete("ModelTemplateRevision", genuine["metadata"]["name"])
        api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="TemplateRevisionNotFound")
        api.apply({**genuine, "spec": {**genuine["spec"], "template_spec": edited}})
        # What the same watch brings after it.
        later = revision_object(template(name, tag="v9"))
        api.apply(later)
        pin = {"model_template_id": name, "model_template_revision": later["spec"]["hash"]}
        api.apply(instance("witness", **pin))
        api.wait_for_condition("ModelInstance", "witness", "Ready", reason="RolledOut")
        assert ready(api.get("ModelInstance", "minilm"))["reason"] == "TemplateRevisionNotFound"
        assert is_image(api, "v7")
    finally:
        api.delete("ClusterModelTemplateRevision", of_cluster["metadata"]["name"])
        elsewhere.delete("ModelTemplateRevision", genuine["metadata"]["name"])


@shared
def test_revisions_out_of_use_are_deleted_beyond_the_limit(api: KubeApi) -> None:
    obj = template()
    obj["spec"]["revision_history_limit"] = 1
    api.apply(obj)
    api.apply(instance())
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    pin = latest(api)
    api.apply(instance("pinned", model_template_revision=pin))
    api.wait_for_condition("ModelInstance", "pinned", "Ready")
    brought = revision_object(template(tag="v99"))
    api.apply(brought)

    hashes = []
    for number in range(2, 7):
        edit_bundle(api, tag=f"v{number}")
        wait_for_image(api, f"v{number}")
        hashes.append(latest(api))
    kept = {pin, brought["spec"]["hash"], *hashes[-2:]}
    wait_for(lambda: revisions(api).keys() == kept, message="old revisions are deleted")
    assert is_image(api, "v1", "pinned")


@shared
def test_edits_that_concern_no_model_write_nothing_for_instances(
    api: KubeApi, control_plane: ControlPlane
) -> None:
    deploy(api)
    before = latest(api)
    wait_for(lambda: api.get("ModelTemplate", "encoder")["status"].get("stable_revision") == before)
    wait_for(lambda: api.get("ModelTemplate", "encoder")["status"]["updated_instance_count"] == 1)

    def look(witness: str) -> None:
        """Wait until everything is reconciled that an edit caused before."""
        assert latest(api) == before
        api.apply(instance(witness))
        api.wait_for_condition("ModelInstance", witness, "Ready")

    look("earlier")
    mark = _written_for(control_plane, api, "minilm")
    step = {"name": "canary", "labels": {"tier": "canary"}, "needs_approval": True}
    for edit in (
        {"revision_history_limit": 3},
        {"rollout": {"max_failures": 1}},
        {"rollout": {"paused": True}},
        {"rollout": {"paused": None, "steps": [step]}},
        {"rollout": {"approved": before}},
        {"rollout": None},
    ):
        api.patch("ModelTemplate", "encoder", {"spec": edit})
        assert latest(api) == before
    look("later")

    assert _written_for(control_plane, api, "minilm") == mark
    assert revisions(api).keys() == {before}


def _written_for(control_plane: ControlPlane, api: KubeApi, name: str) -> list[tuple[str, str, str]]:
    """Give all writes of an object of that name, refused ones and those of statuses included."""
    return [
        (event["verb"], event["resource"], event["time"])
        for event in control_plane.audit_events()
        if (event["namespace"], event["name"]) == (api.namespace, name)
        and event["verb"] not in ("get", "list", "watch")
    ]


@shared
def test_revisions_of_a_cluster_template(api: KubeApi, namespace: str) -> None:
    api.apply(in_the_cluster(template(), namespace))
    try:
        api.apply(instance(model_template_id=namespace))
        api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")
        good = run(api)
        found = api.get("ClusterModelTemplateRevision", f"{namespace}-{good}")
        assert found["metadata"]["ownerReferences"][0]["kind"] == "ClusterModelTemplate"

        api.apply(in_the_cluster(template(env=BROKEN), namespace))
        api.wait_for_condition("ClusterModelTemplate", namespace, "Ready", "False", reason="TemplateInvalid")
        api.patch("ModelInstance", "minilm", {"spec": {"replicas": 2}})
        wait_for(lambda: api.get("Deployment", "minilm")["spec"]["replicas"] == 2)
        api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")
    finally:
        api.delete("ClusterModelTemplate", namespace)
    api.wait_until_gone("ClusterModelTemplateRevision", f"{namespace}-{good}")


def test_an_operator_of_some_namespaces_follows_a_cluster_template_directly(
    private_api: KubeApi, private_operator: PrivateOperator
) -> None:
    private_operator()
    api, name = private_api, private_api.namespace
    api.apply(in_the_cluster(template(), name))
    try:
        api.apply(instance(model_template_id=name))
        api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")
        api.apply(in_the_cluster(template(tag="v2"), name))
        wait_for_image(api, "v2")
        api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")
        # As before there were revisions.
        api.apply(in_the_cluster(template(env=BROKEN), name))
        api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="TemplateInvalid")
        assert is_image(api, "v2")
    finally:
        api.delete("ClusterModelTemplate", name)


def test_a_template_that_is_applied_again_rolls_nothing_not_even_after_an_upgrade(
    private_api: KubeApi, private_operator: PrivateOperator
) -> None:
    operator = private_operator()
    deploy(private_api)
    operator.stop()

    private_operator(module=OTHER)
    look_at_everything(private_api, "witness")
    private_api.delete("ModelTemplate", "encoder")
    private_api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="TemplateNotFound")
    uid = private_api.apply(TEMPLATE)["metadata"]["uid"]
    wait_for(lambda: private_api.get("ModelInstance", "minilm")["status"]["template"]["uid"] == uid)
    private_api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")
    assert grace(private_api) != 77
    assert latest(private_api) in revisions(private_api)
    # The history of a template decides on no pods.
    private_api.patch("ModelTemplate", "encoder", {"spec": {"revision_history_limit": 0}})
    look_at_everything(private_api, "witness-2")
    assert grace(private_api) != 77


def test_a_rejected_edit_is_not_followed_where_there_is_a_revision(
    private_api: KubeApi, private_operator: PrivateOperator
) -> None:
    private_operator()
    deploy(private_api)
    good = latest(private_api)
    rejected = {"spec": {"pod_template": {"spec": {"terminationGracePeriodSeconds": "soon"}}}}
    private_api.patch("ModelTemplate", "encoder", rejected)
    obj = private_api.wait_for_condition(
        "ModelTemplate", "encoder", "Ready", "False", reason="PodTemplateRejected"
    )
    assert obj["status"]["latest_revision"] == good
    private_api.apply(instance("second"))
    for name in ("second", "minilm"):
        private_api.wait_for_condition("ModelInstance", name, "Ready", reason="RolledOut")
        assert run(private_api, name) == good


def test_an_edit_costs_one_write_and_none_per_instance(
    control_plane: ControlPlane, private_api: KubeApi, private_operator: PrivateOperator
) -> None:
    private_operator()
    for name in ("minilm", "second", "third"):
        deploy(private_api, name=name)
    wait_for(lambda: private_api.get("ModelTemplate", "encoder")["status"]["updated_instance_count"] == 3)
    before = len(_created(control_plane, private_api))
    edit_bundle(private_api, tag="v2")
    for name in ("minilm", "second", "third"):
        wait_for_image(private_api, "v2", name)
        private_api.wait_for_condition("ModelInstance", name, "Ready", reason="RolledOut")
    assert ready(private_api.get("ModelTemplate", "encoder"))["status"] == "True"
    assert len(_created(control_plane, private_api)) == before + 1


def _created(control_plane: ControlPlane, api: KubeApi) -> list[Any]:
    """Give the successful and unsuccessful creations of revisions in the namespace."""
    return [
        event
        for event in control_plane.audit_events()
        if event["resource"] == "modeltemplaterevisions"
        and event["verb"] == "create"
        and event["namespace"] == api.namespace
    ]
