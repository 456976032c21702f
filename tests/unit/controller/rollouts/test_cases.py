"""Roll-outs in which something else happens, on whole operators and under the judges of every version."""

from __future__ import annotations

import asyncio
import copy
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from model_operator.controller.reconcile.instances import ready_reason
from tests.life.fleet import ANNOTATION, TEMPLATE
from tests.life.moves import moves
from tests.life.profiles import TEMPLATE as NAME
from tests.unit.controller.rollouts.cluster import NAMESPACE
from tests.unit.controller.rollouts.fleet import GOOD, WRONG, Fleet, instance, template
from tests.unit.controller.rollouts.operators import Replica
from tests.unit.controller.virtual_clock import in_virtual_time

if TYPE_CHECKING:
    from model_operator.kube.client import Object

STEPS: Any = {
    "max_unavailable": 1,
    "soak_seconds": 10,
    "steps": [{"name": "canary", "labels": {"tier": "canary"}}],
}
MEMBERS = ("canary", "m1", "m2", "m3")


def members(**specs: Any) -> list[Object]:
    """Return the instances, each in the tier of its name, some with fields of their own."""
    return [instance(name, labels={"tier": name}, **specs.get(name, {})) for name in MEMBERS]


async def begun(obj: Object | None = None, **specs: Any) -> Fleet:
    """Return a fleet at rest."""
    fleet = Fleet("cases")
    await fleet.begin(template(rollout=STEPS) if obj is None else obj, members(**specs))
    return fleet


async def until_moved(fleet: Fleet, *names: str) -> None:
    """Wait until instances have moved to the latest revision and others have not."""
    for _ in range(4000):
        if {name for name, revision in moves(fleet.cluster.history) if revision == fleet.latest} >= set(
            names
        ):
            return
        await fleet.wait(0.1)
    raise AssertionError(f"only {moves(fleet.cluster.history)}")


async def until_ready(fleet: Fleet, name: str) -> None:
    """Wait until an instance is Ready at the latest revision."""
    for _ in range(4000):
        status = fleet.status(name)
        if ready_reason(status) == "RolledOut" and status["template"]["revision"] == fleet.latest:
            return
        await fleet.wait(0.1)
    raise AssertionError(fleet.status(name))


def is_complete(fleet: Fleet) -> None:
    """Check that the latest revision has reached all, and is stable."""
    assert fleet.state == "COMPLETE", fleet.template["status"]
    assert set(fleet.positions().values()) == {fleet.latest}, fleet.positions()
    assert fleet.template["status"]["stable_revision"] == fleet.latest
    fleet.check()


@in_virtual_time
async def test_steps() -> None:
    fleet = await begun()
    fleet.edit_template("v2")
    await fleet.rest(60)
    is_complete(fleet)
    assert [name for name, _ in moves(fleet.cluster.history)] == [*MEMBERS]


@in_virtual_time
async def test_a_bad_edit_halts_and_what_waits_is_reconciled_in_full() -> None:
    fleet = await begun()
    old = fleet.latest
    fleet.edit_template("v2!")
    await fleet.wait_for_state("HALTED")
    # Drift, parameters, scaling and new instances.
    fleet.cluster.user_deletes("Service", "m1")
    fleet.cluster.user_deletes("Deployment", "m2")
    fleet.edit("m3", model_creation_parameters={"MODEL_NAME": "second"}, replicas=2)
    fleet.apply(instance("new"))
    await fleet.rest(60)
    fleet.check()
    assert fleet.state == "HALTED"
    assert fleet.positions() == {"canary": fleet.latest, **dict.fromkeys(("m1", "m2", "m3", "new"), old)}
    assert all(
        {each["type"]: each["status"] for each in fleet.status(name)["conditions"]}["Ready"] == "True"
        for name in ("m1", "m2", "m3", "new")
    )
    assert [name for name, _ in moves(fleet.cluster.history)] == ["canary"]

    # Going back takes no steps.
    fleet.edit_template("v1")
    await fleet.rest(60)
    assert fleet.latest == old
    is_complete(fleet)
    # And the next edit does.
    fleet.edit_template("v3")
    await fleet.rest(90)
    is_complete(fleet)


def states(fleet: Fleet) -> list[str]:
    """Return the states that the template has reported, in order."""
    found = (each.status.get("rollout", {}).get("state") for each in fleet.cluster.history.of(TEMPLATE, NAME))
    return [state for state, _ in itertools.groupby(found) if state]


@in_virtual_time
async def test_what_an_instance_breaks_by_its_own_edit_is_no_failure_of_the_revision() -> None:
    fleet = await begun()
    fleet.edit_template("v2")
    await until_moved(fleet, "m1")
    await until_ready(fleet, "m1")
    fleet.edit("m1", model_creation_parameters=WRONG)
    await fleet.rest(90)
    assert ready_reason(fleet.status("m1")) == "InvalidParameters"
    is_complete(fleet)
    assert "HALTED" not in states(fleet)


@in_virtual_time
async def test_a_lone_canary_that_its_own_edit_breaks_neither_halts_nor_proves() -> None:
    fleet = await begun()
    fleet.edit_template("v2")
    await fleet.wait_for_state("SOAKING")
    fleet.edit("canary", model_creation_parameters=WRONG)
    await fleet.rest(90)
    assert (fleet.state, [name for name, _ in moves(fleet.cluster.history)]) == ("ROLLING_OUT", ["canary"])
    message = next(each for each in fleet.template["status"]["conditions"] if each["type"] == "RolledOut")[
        "message"
    ]
    assert "1 failed at it (canary), of which 1 since an edit of its own spec, 3 waiting" in message
    fleet.restart()
    await fleet.rest(60)
    assert fleet.state == "ROLLING_OUT"

    fleet.edit("canary", model_creation_parameters=GOOD)
    await fleet.rest(90)
    is_complete(fleet)
    assert "HALTED" not in states(fleet)


@in_virtual_time
async def test_an_edit_of_an_instance_that_has_never_arrived_excuses_nothing() -> None:
    fleet = await begun()
    fleet.edit_template("v2!")
    await until_moved(fleet, "canary")
    fleet.edit("canary", model_creation_parameters={"MODEL_NAME": "second"})
    await fleet.wait_for_state("HALTED")
    await fleet.rest(30)
    fleet.check()


@in_virtual_time
async def test_nothing_moves_while_it_is_paused() -> None:
    fleet = await begun()
    fleet.edit_template("v2")
    await until_moved(fleet, "canary", "m1")
    fleet.edit_template(paused=True)
    await fleet.rest(60)
    assert fleet.state == "PAUSED"
    count = len(moves(fleet.cluster.history))
    fleet.restart()
    await fleet.rest(60)
    assert len(moves(fleet.cluster.history)) == count
    assert fleet.state == "PAUSED"
    fleet.edit_template(paused=None)
    await fleet.rest(60)
    is_complete(fleet)


@in_virtual_time
async def test_a_pause_while_the_operator_is_away_takes_no_move_back() -> None:
    fleet = await begun()
    fleet.operator.kill()
    fleet.operator = Replica(fleet.cluster, ("apply Deployment m1", "after"))
    fleet.edit_template("v2")
    await asyncio.sleep(60)
    assert fleet.operator.is_dead
    fleet.edit_template(paused=True)
    await fleet.rest(60)
    assert fleet.state == "PAUSED"
    assert {name for name, at in fleet.positions().items() if at == fleet.latest} == {"canary", "m1"}
    assert [name for name, _ in moves(fleet.cluster.history)] == ["canary", "m1"]
    fleet.check()


@in_virtual_time
async def test_a_pause_waits_for_the_moves_in_progress() -> None:
    fleet = Fleet("pauses")
    await fleet.begin(template(rollout={"max_unavailable": "100%"}), members())
    fleet.cluster.deployment_seconds = (0.2, 0.6)
    for number in range(8):
        fleet.edit_template(f"v{number + 2}")
        await fleet.wait(0.05 * number)
        fleet.edit_template(paused=True)
        await fleet.wait(3)
        fleet.edit_template(paused=None)
        await fleet.rest(3)
    assert fleet.faults() == []


@in_virtual_time
async def test_a_second_edit_in_mid_roll_out() -> None:
    fleet = await begun()
    fleet.edit_template("v2")
    await until_moved(fleet, "m1")
    fleet.edit_template("v3")
    await fleet.rest(90)
    is_complete(fleet)
    last = [name for name, revision in moves(fleet.cluster.history) if revision == fleet.latest]
    assert last == [*MEMBERS]


@in_virtual_time
async def test_an_undo_in_mid_roll_out() -> None:
    fleet = await begun()
    fleet.edit_template("v2")
    await until_moved(fleet, "m1")
    fleet.edit_template("v1")
    await fleet.rest(60)
    is_complete(fleet)
    assert {name for name, _ in moves(fleet.cluster.history)} == {"canary", "m1"}


@in_virtual_time
async def test_a_canary_without_workers_proves_nothing_and_delays_nobody() -> None:
    fleet = await begun(canary={"replicas": 0})
    fleet.edit_template("v2")
    await fleet.rest(90)
    is_complete(fleet)
    assert [name for name, _ in moves(fleet.cluster.history)] == ["m1", "m2", "m3", "canary"]


@in_virtual_time
async def test_one_without_workers_is_no_proof_where_all_get_an_edit_at_once() -> None:
    fleet = await begun(template(), m3={"replicas": 0})
    old = fleet.latest
    fleet.edit_template("v2!")
    await fleet.rest(60)
    assert set(fleet.positions().values()) == {fleet.latest}
    assert fleet.template["status"]["stable_revision"] == old != fleet.latest


@in_virtual_time
async def test_an_instance_that_was_stalled_before_is_no_failure_and_delays_nobody() -> None:
    fleet = await begun()
    fleet.edit("canary", model_creation_parameters=WRONG)
    await fleet.rest(60)
    fleet.edit_template("v2")
    await fleet.rest(90)
    assert fleet.state == "COMPLETE", fleet.template["status"]
    assert fleet.template["status"]["stable_revision"] == fleet.latest
    fleet.check()
    assert [name for name, _ in moves(fleet.cluster.history)] == ["m1", "m2", "m3"]
    fleet.edit("canary", model_creation_parameters=GOOD)
    await fleet.rest(60)
    is_complete(fleet)


def with_parameter(obj: Object) -> None:
    """Declare another parameter, and roll the pods."""
    obj["spec"]["vendor_configuration"]["bundle_config"]["env"] = {"EDITION": "v2"}
    obj["spec"]["model_creation_parameters_schema"]["properties"]["LIMIT"] = {"type": "integer"}


def edit_template(fleet: Fleet) -> None:
    fleet.cluster.edit(TEMPLATE, NAME, with_parameter)


def edit_instance(fleet: Fleet) -> None:
    fleet.edit("m3", model_creation_parameters={**GOOD, "LIMIT": 5})


@pytest.mark.parametrize(
    "acts", [(edit_template, edit_instance), (edit_instance, edit_template)], ids=["template", "instance"]
)
@pytest.mark.parametrize("seconds", [0.0, 0.2, 3.0])
@in_virtual_time
async def test_one_commit_that_changes_template_and_instance(
    acts: tuple[Callable[[Fleet], None], ...], seconds: float
) -> None:
    fleet = await begun()
    since = fleet.cluster.history.versions[-1].revision
    for act in acts:
        act(fleet)
        await fleet.wait(seconds)
    await until_moved(fleet, "m3")
    assert not {"m1", "m2"} & {name for name, _ in moves(fleet.cluster.history)}, "others wait for their step"
    await fleet.rest(90)
    is_complete(fleet)
    assert not [
        each
        for each in fleet.cluster.history.of("ModelInstance", "m3")
        if each.revision > since and each.is_true("Stalled")
    ]


async def again(fleet: Fleet, seconds: float) -> None:
    """Delete the template, and apply it unchanged after a time."""
    spec = copy.deepcopy(fleet.template["spec"])
    fleet.cluster.user_deletes(TEMPLATE, NAME)
    await fleet.wait(seconds)
    fleet.apply(
        {
            "apiVersion": "modeloperator.dev/v1alpha1",
            "kind": TEMPLATE,
            "metadata": {"name": NAME, "namespace": NAMESPACE},
            "spec": spec,
        }
    )


@pytest.mark.parametrize("seconds", [0.05, 20.0])
@in_virtual_time
async def test_a_template_that_is_deleted_and_applied_again_in_mid_roll_out(seconds: float) -> None:
    fleet = await begun()
    fleet.edit_template("v2")
    await until_moved(fleet, "m1")
    generations = {each["metadata"]["name"]: each["metadata"]["generation"] for each in deployments(fleet)}
    await again(fleet, seconds)
    await fleet.rest(120)
    is_complete(fleet)
    found = {each["metadata"]["name"]: each["metadata"]["generation"] for each in deployments(fleet)}
    assert found == {**generations, "m2": 2, "m3": 2}, "each is rolled once"


def deployments(fleet: Fleet) -> list[Object]:
    """Return the Deployments."""
    return fleet.cluster.all("Deployment")


def empty_statuses(fleet: Fleet) -> None:
    """Take all statuses away, as a backup without them does."""
    for obj in (*fleet.cluster.all("ModelInstance"), fleet.template):
        fleet.cluster.edit(obj["kind"], obj["metadata"]["name"], lambda each: each.pop("status", None))


def remove_annotations(fleet: Fleet) -> None:
    """Take the names of revisions from the Deployments."""
    for obj in deployments(fleet):
        fleet.cluster.edit(
            "Deployment",
            obj["metadata"]["name"],
            lambda each: each["metadata"]["annotations"].pop(ANNOTATION, None),
        )


def remove_owners(fleet: Fleet) -> None:
    """Take the owner references of children away, as a restore under new uids does."""
    for obj in (*deployments(fleet), *fleet.cluster.all("Service")):
        fleet.cluster.edit(
            obj["kind"], obj["metadata"]["name"], lambda each: each["metadata"].pop("ownerReferences")
        )


@pytest.mark.parametrize(
    ("has_annotations", "has_owners"), [(True, True), (False, True), (True, False), (False, False)]
)
@in_virtual_time
async def test_a_backup_that_is_restored_without_statuses_in_mid_roll_out(
    has_annotations: bool, has_owners: bool
) -> None:
    fleet = await begun()
    old = fleet.latest
    fleet.edit_template("v2")
    await until_moved(fleet, "canary")
    new = fleet.latest
    fleet.operator.kill()
    empty_statuses(fleet)
    if not has_annotations:
        remove_annotations(fleet)
    if not has_owners:
        remove_owners(fleet)
    await fleet.wait(5)
    assert (
        fleet.positions() == {"canary": new, **dict.fromkeys(("m1", "m2", "m3"), old)} or not has_annotations
    )
    await fleet.rest(120)
    is_complete(fleet)
    found = {each["metadata"]["name"]: each["metadata"]["generation"] for each in deployments(fleet)}
    assert found == dict.fromkeys(MEMBERS, 2), "each is rolled once"


@in_virtual_time
async def test_a_leader_that_wakes_up_after_another_has_taken_over() -> None:
    fleet = await begun()
    fleet.edit_template("v2")
    await until_moved(fleet, "canary")
    for _ in range(6):
        fleet.operator.pause()
        old = fleet.take_over()
        await fleet.wait(4)
        old.resume()
        await fleet.wait(3)
    await fleet.rest(90)
    is_complete(fleet)
