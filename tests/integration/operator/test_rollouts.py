"""An edit of a template reaches its instances in steps, and stops by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.waiting import wait_for
from tests.examples.objects import FAILURE, container, instance, ready, template
from tests.integration.operator.test_revisions import is_image, latest, run, up_to_date, wait_for_image

if TYPE_CHECKING:
    from tests.cluster.kube_api import KubeApi, Object

shared = pytest.mark.usefixtures("operator")

CANARY = {"name": "canary", "labels": {"tier": "canary"}, "max_unavailable": "100%"}
QUICK = {"soak_seconds": 0, "steps": [CANARY]}
AWAITS, HALTED = ("False", "AwaitingRollout"), ("False", "RolloutHalted")


def labelled(name: str, tier: str = "", **spec: Any) -> Object:
    """Give an instance, with the label of a tier."""
    obj = instance(name, **spec)
    obj["metadata"]["labels"] = {"tier": tier} if tier else {}
    return obj


def deploy_fleet(api: KubeApi, rollout: Object | None, *names: str, canary: str = "canary") -> str:
    """Apply the template and instances of it, wait until all is stable, and give the revision."""
    obj = template()
    if rollout is not None:
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
    """Start the held pods of instances, and wait until they are Ready."""
    for name in names:

        def become_ready(name: str = name) -> bool:
            for pod in api.list("Pod", labels=f"{FAILURE}=held,modeloperator.dev/instance={name}"):
                api.patch("Pod", pod["metadata"]["name"], {"metadata": {"labels": {FAILURE: None}}})
            return bool(ready(api.get("ModelInstance", name))["status"] == "True")

        wait_for(become_ready, message=f"{name} is ready")


def images(api: KubeApi) -> dict[str, str]:
    """Give the tag of each Deployment."""
    return {
        each["metadata"]["name"]: container(each)["image"].rpartition(":")[2]
        for each in api.list("Deployment")
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
