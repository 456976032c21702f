"""Roll-outs of which users delete what they depend on, or make an instance unreadable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.life.fleet import TEMPLATE
from tests.life.moves import moves
from tests.life.profiles import TEMPLATE as NAME
from tests.unit.controller.rollouts.fleet import template
from tests.unit.controller.rollouts.test_cases import (
    MEMBERS,
    STEPS,
    begun,
    deployments,
    is_complete,
    until_moved,
)
from tests.unit.controller.virtual_clock import in_virtual_time

if TYPE_CHECKING:
    from model_operator.kube.client import Object
    from tests.unit.controller.rollouts.fleet import Fleet


def moved(fleet: Fleet) -> list[str]:
    """Return the names of the instances that have moved, in order."""
    return [name for name, _ in moves(fleet.cluster.history)]


def generations(fleet: Fleet) -> dict[str, int]:
    """Return the generation of each Deployment."""
    return {each["metadata"]["name"]: each["metadata"]["generation"] for each in deployments(fleet)}


@in_virtual_time
async def test_a_failed_canary_whose_deployment_is_deleted_again_and_again_is_no_less_failed() -> None:
    fleet = await begun()
    fleet.edit_template("v2!")
    await fleet.wait_for_state("HALTED")
    for _ in range(5):
        while fleet.cluster.find("Deployment", "canary") is None:
            await fleet.wait(0.1)
        fleet.cluster.user_deletes("Deployment", "canary")
    # The operator gives way for a while, so that there is no Deployment.
    await fleet.wait(5)
    assert fleet.cluster.find("Deployment", "canary") is None
    assert moved(fleet) == ["canary"]
    await fleet.rest(30)
    fleet.check()
    assert fleet.state == "HALTED"
    assert moved(fleet) == ["canary"]


@pytest.mark.parametrize("rollout", [STEPS, None], ids=["in steps", "at once"])
@in_virtual_time
async def test_the_latest_revision_is_stored_again_and_nothing_goes_back(rollout: Any) -> None:
    fleet = await begun(template(rollout=rollout))
    fleet.edit_template("v2")
    await fleet.rest(90)
    is_complete(fleet)
    name, before = f"{NAME}-{fleet.latest}", generations(fleet)
    fleet.cluster.user_deletes("ModelTemplateRevision", name)
    await fleet.rest(60)
    assert fleet.cluster.find("ModelTemplateRevision", name) is not None
    assert generations(fleet) == before
    is_complete(fleet)


@in_virtual_time
async def test_no_older_revision_takes_the_place_of_the_latest_one_of_a_broken_template() -> None:
    fleet = await begun(template())
    fleet.edit_template("v2")
    await fleet.rest(90)
    latest, before = fleet.latest, generations(fleet)

    def break_it(obj: Object) -> None:
        obj["spec"]["pod_template"] = {"spec": {"containers": "none"}}

    fleet.cluster.edit(TEMPLATE, NAME, break_it)
    await fleet.rest(30)
    revision = fleet.cluster.find("ModelTemplateRevision", f"{NAME}-{latest}")
    assert revision is not None
    fleet.cluster.user_deletes("ModelTemplateRevision", revision["metadata"]["name"])
    await fleet.rest(60)
    assert (generations(fleet), fleet.latest) == (before, latest)

    fleet.apply(revision)
    await fleet.rest(60)
    assert (generations(fleet), set(fleet.positions().values())) == (before, {latest})
    for name in MEMBERS:
        standing = {each["type"]: each["status"] for each in fleet.status(name)["conditions"]}
        assert standing["Ready"] == "True"


@in_virtual_time
async def test_a_canary_that_is_being_deleted_delays_nobody() -> None:
    fleet = await begun()
    fleet.cluster.crash("canary")
    fleet.edit_template("v2")
    await until_moved(fleet, "canary")

    def begin_deletion(obj: Object) -> None:
        # A finalizer that nobody removes.
        obj["metadata"] |= {"deletionTimestamp": "2026-01-01T09:00:00Z", "finalizers": ["example.com/hangs"]}

    fleet.cluster.edit("ModelInstance", "canary", begin_deletion)
    await fleet.rest(90)
    assert moved(fleet) == [*MEMBERS]
    assert fleet.state == "COMPLETE"


# More than a specification may have; with webhooks it is refused.
UNREADABLE = {"MODEL_NAME": "x" * 600_000}


def has_reached_all_others(fleet: Fleet) -> None:
    """Check that the latest revision has reached all but the canary, and is stable."""
    assert fleet.state == "COMPLETE"
    assert fleet.template["status"]["stable_revision"] == fleet.latest
    assert [name for name, revision in fleet.positions().items() if revision != fleet.latest] == ["canary"]


@in_virtual_time
async def test_an_instance_that_became_unreadable_in_an_earlier_roll_out_delays_nobody() -> None:
    fleet = await begun()
    fleet.edit_template("v2!")
    await fleet.wait_for_state("HALTED")
    fleet.edit("canary", model_creation_parameters=UNREADABLE)
    await fleet.rest(30)
    assert fleet.state == "HALTED"
    fleet.edit_template("v3")
    await fleet.rest(90)
    has_reached_all_others(fleet)


@pytest.mark.parametrize("rollout", [STEPS, None], ids=["in steps", "at once"])
@in_virtual_time
async def test_a_pinned_instance_whose_pin_is_unreadable_delays_nobody(rollout: Any) -> None:
    fleet = await begun(template(rollout=rollout))
    fleet.edit("canary", model_template_revision=fleet.latest)
    fleet.edit_template("v2")
    await fleet.rest(90)
    fleet.edit("canary", model_creation_parameters=UNREADABLE)
    fleet.edit_template("v3")
    await fleet.rest(90)
    has_reached_all_others(fleet)
