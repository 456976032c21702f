"""An edit of a template reaches its instances in steps, and stops by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.waiting import wait_for
from tests.examples.objects import FAILURE, container, deploy, environment, instance, ready, template
from tests.integration.operator.test_revisions import is_image, latest, run, up_to_date, wait_for_image

if TYPE_CHECKING:
    from tests.cluster.kube_api import KubeApi, Object
    from tests.fixtures.cluster import PrivateOperator

shared = pytest.mark.usefixtures("operator")

CANARY = {"name": "canary", "labels": {"tier": "canary"}, "max_unavailable": "100%"}
QUICK = {"soak_seconds": 0, "steps": [CANARY]}
AWAITS, HALTED = ("False", "AwaitingRollout"), ("False", "RolloutHalted")


def labelled(name: str, tier: str = "", **spec: Any) -> Object:
    """Give an instance, with the label of a tier."""
    obj = instance(name, **spec)
    obj["metadata"]["labels"] = {"tier": tier} if tier else {}
    return obj


def deploy_fleet(api: KubeApi, rollout: Object, *names: str, canary: str = "canary") -> str:
    """Apply the template and instances of it, wait until all is stable, and give the revision."""
    obj = template()
    obj["spec"]["rollout"] = rollout
    api.apply(obj)
    for name in (canary, *names):
        api.apply(labelled(name, "canary" if name == canary else ""))
    for name in (canary, *names):
        api.wait_for_condition("ModelInstance", name, "Ready")
    return settled(api, len(names) + 1)


def settled(api: KubeApi, count: int) -> str:
    """Wait until a roll-out is complete and stable, and give its revision."""

    def done() -> str | None:
        status = api.get("ModelTemplate", "encoder")["status"]
        rollout = status["rollout"]
        assert (rollout["state"], rollout["arrived"]) == ("COMPLETE", count), rollout
        assert status["stable_revision"] == status["latest_revision"] == rollout["revision"]
        return str(rollout["revision"])

    return wait_for(done, message="the roll-out is complete")


def edit(api: KubeApi, failure: str | None = None, tag: str = "v2", **rollout: Any) -> str:
    """Edit the pods of the template, and its rollout, in one write; give the revision."""
    before = latest(api)
    # What is held starts late, and what is broken is Stalled soon.
    deadline = None if failure in (None, "held") else 3
    vendor = {"bundle_config": {"tag": tag}, "endpoint_config": {"startup_timeout_seconds": deadline}}
    spec: Object = {"vendor_configuration": vendor}
    spec["pod_template"] = {"metadata": {"labels": {FAILURE: failure}}} if failure else None
    if rollout:
        spec["rollout"] = rollout
    api.patch("ModelTemplate", "encoder", {"spec": spec})
    wait_for(lambda: latest(api) != before, message="the edit has a revision")
    return latest(api)


def set_rollout(api: KubeApi, **fields: Any) -> None:
    """Merge fields into ``rollout`` of the template."""
    api.patch("ModelTemplate", "encoder", {"spec": {"rollout": fields}})


def wait_for_state(api: KubeApi, state: str, step: str | None = None, **counts: int) -> Object:
    """Wait until the roll-out has a state and counts, and give what the template reports of it."""

    def found() -> Object:
        rollout: Object = api.get("ModelTemplate", "encoder")["status"]["rollout"]
        assert rollout["state"] == state, rollout
        assert step in (None, rollout.get("step")), rollout
        assert {**rollout, **counts} == rollout, rollout
        return rollout

    return wait_for(found, message=f"the roll-out is {state}")


def release(api: KubeApi, *names: str) -> None:
    """Start the held pods of instances, and wait until they are Ready at the latest revision."""
    for name in names:

        def become_ready(name: str = name) -> bool:
            for pod in api.list("Pod", labels=f"{FAILURE}=held,modeloperator.dev/instance={name}"):
                api.patch("Pod", pod["metadata"]["name"], {"metadata": {"labels": {FAILURE: None}}})
            obj = api.get("ModelInstance", name)
            is_ready = ready(obj)["status"] == "True"
            return is_ready and bool(obj["status"]["template"]["revision"] == latest(api))

        wait_for(become_ready, message=f"{name} is ready")


def images(api: KubeApi) -> dict[str, str]:
    """Give the tag of each Deployment."""
    return {
        each["metadata"]["name"]: container(each)["image"].rpartition(":")[2]
        for each in api.list("Deployment")
    }


def versions(api: KubeApi) -> dict[tuple[str, str], str]:
    """Give the version of each object that the operator writes."""
    return {
        (kind, each["metadata"]["name"]): each["metadata"]["resourceVersion"]
        for kind in ("ModelTemplate", "ModelTemplateRevision", "ModelInstance", "Deployment", "Service")
        for each in api.list(kind)
    }


@shared
def test_the_canary_is_first_and_the_others_follow_by_the_budget(api: KubeApi) -> None:
    deploy_fleet(api, {**QUICK, "max_unavailable": 1}, "a", "b", "c")
    revision = edit(api, "held")
    wait_for_state(api, "ROLLING_OUT", "canary", moving=1, waiting=3)
    wait_for_image(api, "v2", "canary")
    for name in ("a", "b", "c"):
        wait_for(lambda name=name: up_to_date(api, name) == AWAITS)  # type: ignore[misc]
        assert ready(api.get("ModelInstance", name))["status"] == "True", "it is about its own revision"
    assert images(api) == {"canary": "v2", "a": "v1", "b": "v1", "c": "v1"}

    release(api, "canary")
    for number, name in enumerate(("a", "b", "c"), 1):
        wait_for_state(api, "ROLLING_OUT", "remaining", arrived=number, moving=1, waiting=3 - number)
        wait_for_image(api, "v2", name)
        release(api, name)
    assert settled(api, 4) == revision
    for name in ("canary", "a", "b", "c"):
        status = api.get("ModelInstance", name)["status"]
        assert status["template"]["revision"] == revision
        assert status["template"]["arrived_at"]
        annotations = api.get("Deployment", name)["metadata"]["annotations"]
        assert annotations["modeloperator.dev/template-revision"] == revision
    api.wait_for_condition("ModelTemplate", "encoder", "RolledOut", reason="AllUpdated")


@shared
def test_a_broken_image_halts_at_the_canary_and_a_fix_goes_on(api: KubeApi) -> None:
    stable = deploy_fleet(api, QUICK, "a", "b")
    edit(api, "image-pull")
    wait_for_state(api, "HALTED", "canary", failed=1, waiting=2)
    api.wait_for_condition("ModelTemplate", "encoder", "RolledOut", "False", reason="Halted")
    for name in ("a", "b"):
        wait_for(lambda name=name: up_to_date(api, name) == HALTED)  # type: ignore[misc]
    # A new one gets what is proven.
    api.apply(labelled("new"))
    api.wait_for_condition("ModelInstance", "new", "Ready")
    assert (run(api, "new"), is_image(api, "v1", "new")) == (stable, True)

    fixed = edit(api, tag="v3")
    assert settled(api, 4) == fixed
    assert set(images(api).values()) == {"v3"}


@shared
def test_going_back_from_a_broken_image_takes_no_steps(api: KubeApi) -> None:
    stable = deploy_fleet(api, {**QUICK, "soak_seconds": 600}, "a", "b")
    edit(api, "image-pull")
    wait_for_state(api, "HALTED", "canary", failed=1, waiting=2)
    assert edit(api, tag="v1") == stable
    assert settled(api, 3) == stable
    assert set(images(api).values()) == {"v1"}


@shared
def test_a_pause_holds_all_and_its_end_lets_them_go(api: KubeApi) -> None:
    stable = deploy_fleet(api, {**QUICK, "max_unavailable": 1}, "a", "b")
    edit(api, "held")
    wait_for_state(api, "ROLLING_OUT", "canary", moving=1)
    # A pause holds what has not been written yet.
    wait_for_image(api, "v2", "canary")
    set_rollout(api, paused=True)
    wait_for_state(api, "PAUSED", "canary", moving=1, waiting=2)
    release(api, "canary")
    wait_for_state(api, "PAUSED", "remaining", arrived=1, waiting=2)
    # A new one gets what is proven, and so does what is edited now.
    api.apply(labelled("new"))
    api.wait_for_condition("ModelInstance", "new", "Ready")
    edit(api, tag="v3")
    wait_for_state(api, "PAUSED", "canary", waiting=4)
    assert images(api) == {"canary": "v2", "a": "v1", "b": "v1", "new": "v1"}
    assert (run(api, "new"), up_to_date(api, "new")) == (stable, AWAITS)

    set_rollout(api, paused=None)
    settled(api, 4)
    assert set(images(api).values()) == {"v3"}


@shared
def test_approval_and_soak_come_between_the_steps(api: KubeApi) -> None:
    canary = {**CANARY, "soak_seconds": 3, "needs_approval": True}
    deploy_fleet(api, {"soak_seconds": 0, "steps": [canary]}, "a", "b")
    revision = edit(api)
    wait_for_state(api, "SOAKING", "canary", arrived=1, waiting=2)
    wait_for_state(api, "AWAITING_APPROVAL", "canary", arrived=1, waiting=2)
    set_rollout(api, approved="0" * 12)
    api.apply(labelled("witness"))
    wait_for_state(api, "AWAITING_APPROVAL", "canary", arrived=2, waiting=2)
    assert (images(api)["a"], images(api)["witness"]) == ("v1", "v2")
    set_rollout(api, approved=revision)
    assert settled(api, 4) == revision
    assert set(images(api).values()) == {"v2"}

    # It ends with the next edit.
    edit(api, tag="v3")
    wait_for_state(api, "AWAITING_APPROVAL", "canary", arrived=1, waiting=3)


@shared
def test_those_that_follow_the_stable_revision_come_last(api: KubeApi) -> None:
    stable = deploy_fleet(api, {"soak_seconds": 0, "max_unavailable": "100%"}, "a")
    api.apply(labelled("prod", model_template_revision="stable"))
    api.wait_for_condition("ModelInstance", "prod", "Ready")
    edit(api, "held")
    for name in ("a", "canary"):
        wait_for_image(api, "v2", name)
    wait_for_state(api, "ROLLING_OUT", "remaining", moving=2, waiting=1)
    wait_for(lambda: up_to_date(api, "prod") == AWAITS)
    api.apply(labelled("new-prod", model_template_revision="stable"))
    api.wait_for_condition("ModelInstance", "new-prod", "Ready")
    assert (run(api, "prod"), run(api, "new-prod")) == (stable, stable)

    release(api, "a", "canary")
    for name in ("prod", "new-prod"):
        wait_for_image(api, "v2", name)
        release(api, name)
    settled(api, 4)


@shared
def test_one_that_was_broken_before_delays_nobody_and_follows_in_the_end(api: KubeApi) -> None:
    deploy_fleet(api, QUICK, "a")
    # Its Service becomes that of another owner.
    api.patch("Service", "canary", {"metadata": {"ownerReferences": None, "labels": None}})
    api.wait_for_condition("ModelInstance", "canary", "Ready", "False", reason="NameConflict")
    api.wait_for_condition("ModelInstance", "canary", "Stalled")
    revision = edit(api)
    wait_for_image(api, "v2", "a")
    wait_for(lambda: api.get("ModelTemplate", "encoder")["status"]["stable_revision"] == revision)
    wait_for(lambda: run(api, "canary") == revision)
    api.delete("Service", "canary")
    api.wait_for_condition("ModelInstance", "canary", "Ready")
    settled(api, 2)
    assert is_image(api, "v2", "canary")


@shared
def test_one_commit_that_changes_both_kinds_takes_effect_at_once(api: KubeApi) -> None:
    deploy_fleet(api, {**QUICK, "max_unavailable": 1}, "a", "b")
    properties = {"properties": {"PRECISION": {"type": "string", "enum": ["fp16"]}}}
    parameters = {"model_creation_parameters": {"PRECISION": "fp16"}}
    api.patch("ModelInstance", "b", {"spec": parameters})
    api.wait_for_condition("ModelInstance", "b", "Ready", "False", reason="InvalidParameters")
    spec = {
        "model_creation_parameters_schema": properties,
        "vendor_configuration": {"bundle_config": {"tag": "v2"}},
        "pod_template": {"metadata": {"labels": {FAILURE: "held"}}},
    }
    api.patch("ModelTemplate", "encoder", {"spec": spec})
    wait_for_image(api, "v2", "canary")
    wait_for_image(api, "v2", "b")
    assert is_image(api, "v1", "a")
    release(api, "b", "canary")
    wait_for_image(api, "v2", "a")
    release(api, "a")
    settled(api, 3)


@shared
def test_what_moves_nothing_reaches_all_at_once(api: KubeApi) -> None:
    deploy_fleet(api, {"soak_seconds": 600, "max_unavailable": 1}, "a", "b")
    before = versions(api)
    schema = {"model_creation_parameters_schema": {"properties": {"UNUSED": {"type": "string"}}}}
    stable = latest(api)
    api.patch("ModelTemplate", "encoder", {"spec": schema})
    wait_for(lambda: latest(api) != stable)
    for name in ("canary", "a", "b"):
        wait_for(lambda name=name: run(api, name) == latest(api))  # type: ignore[misc]
    after = versions(api)
    assert all(after[key] == before[key] for key in before if key[0] in ("Deployment", "Service"))


@shared
def test_one_that_waits_is_reconciled_in_full(api: KubeApi) -> None:
    deploy_fleet(api, QUICK, "a")
    edit(api, "held")
    wait_for_state(api, "ROLLING_OUT", "canary", moving=1, waiting=1)
    # Drift.
    api.delete("Service", "a")
    wait_for(lambda: api.find("Service", "a"), message="the Service is back")
    image = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "evil:1"}
    api.patch("Deployment", "a", [image], patch_type="json")
    wait_for_image(api, "v1", "a")
    # Scaling and parameters.
    parameters = {"replicas": 2, "model_creation_parameters": {"BATCH_SIZE": 4}}
    api.patch("ModelInstance", "a", {"spec": parameters})
    wait_for(lambda: environment(api.get("Deployment", "a"))["BATCH_SIZE"] == "4")
    wait_for(lambda: api.get("Deployment", "a")["spec"]["replicas"] == 2)
    api.wait_for_condition("ModelInstance", "a", "Ready", reason="RolledOut")
    assert (is_image(api, "v1", "a"), up_to_date(api, "a")) == (True, AWAITS)


@shared
def test_a_second_edit_on_the_way_is_the_only_one_that_the_others_get(api: KubeApi) -> None:
    deploy_fleet(api, QUICK, "a", "b")
    edit(api, "held")
    wait_for_image(api, "v2", "canary")
    revision = edit(api, tag="v3")
    assert settled(api, 3) == revision
    for name in ("a", "b"):
        revisions = api.get("Deployment", name)["metadata"]["annotations"][
            "deployment.kubernetes.io/revision"
        ]
        assert revisions == "2", "v1, then v3"


def test_another_process_takes_the_same_decisions_and_writes_nothing_for_what_rests(
    private_api: KubeApi, private_operator: PrivateOperator
) -> None:
    api, operator = private_api, private_operator()
    deploy_fleet(api, {**QUICK, "max_unavailable": 1}, "a", "b")
    edit(api, "held")
    wait_for_state(api, "ROLLING_OUT", "canary", moving=1, waiting=2)
    for name in ("a", "b"):
        wait_for(lambda name=name: up_to_date(api, name) == AWAITS)  # type: ignore[misc]
    api.wait_for_condition("ModelInstance", "canary", "Ready", "False", reason="Deploying")
    before = versions(api)
    operator.kill()
    operator = private_operator()
    # Of another template, so that nothing of this one changes.
    api.apply(template("other"))
    deploy(api, name="witness", template_name="other")
    after = versions(api)
    assert all(after[key] == before[key] for key in before if key[1] != "canary"), "it is on its way"

    # It ends while an instance moves.
    release(api, "canary")
    wait_for_image(api, "v2", "a")
    operator.kill()
    operator = private_operator()
    deploy(api, name="second-witness", template_name="other")
    assert is_image(api, "v1", "b")
    release(api, "a")
    wait_for_image(api, "v2", "b")
    release(api, "b")
    settled(api, 3)
    before = versions(api)
    operator.stop()
    private_operator()
    deploy(api, name="third-witness", template_name="other")
    after = versions(api)
    assert all(after[key] == before[key] for key in before if key != ("ModelTemplate", "other"))
