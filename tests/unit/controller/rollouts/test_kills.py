"""SIGKILL of the operator between every two requests of a roll-out: it goes on with the same decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.life.moves import moves
from tests.unit.controller.rollouts.fleet import Fleet, instance, template
from tests.unit.controller.rollouts.operators import Replica
from tests.unit.controller.virtual_clock import run

if TYPE_CHECKING:
    from model_operator.kube.client import Object

NAMES = ("canary", "m1", "m2")


class Outcome(NamedTuple):
    """What a roll-out came to.

    Attributes
    ----------
    moves
        Who moved, in order.
    generations
        Of the Deployments: how often each was changed.
    revisions
        The stored revisions.
    status
        What the template says in the end.
    """

    moves: list[tuple[str, str]]
    generations: dict[str, int]
    revisions: list[str]
    status: Object


async def roll_out(
    edition: str, budget: int, kill: tuple[int, str] | None = None
) -> tuple[Outcome, Fleet, int]:
    """Roll an edition out with an operator that is killed at a write of its own; and count the writes."""
    fleet = Fleet("kills")
    rollout = {
        "max_unavailable": budget,
        "soak_seconds": 5,
        "steps": [{"name": "canary", "labels": {"tier": "canary"}}],
    }
    members = [instance(name, labels={"tier": name}) for name in NAMES]
    await fleet.begin(template(rollout=rollout), members)
    fleet.operator.kill()
    fleet.operator = Replica(fleet.cluster, kill)
    await fleet.rest()
    before = len(fleet.cluster.written)
    fleet.edit_template(edition)
    await fleet.rest(40)
    cluster = fleet.cluster
    status = fleet.template["status"]
    rollout_status = {key: value for key, value in status["rollout"].items() if key != "started_at"}
    outcome = Outcome(
        moves(cluster.history),
        {each["metadata"]["name"]: each["metadata"]["generation"] for each in cluster.all("Deployment")},
        sorted(each["metadata"]["name"] for each in cluster.all("ModelTemplateRevision")),
        {"stable": status["stable_revision"], **rollout_status},
    )
    return outcome, fleet, len(cluster.written) - before


@pytest.mark.parametrize(("edition", "budget"), [("v2", 1), ("v2!", 1)], ids=["good", "bad"])
def test_an_operator_that_is_killed_after_any_write_goes_on_with_the_same_decisions(
    edition: str, budget: int
) -> None:
    expected, fleet, writes = run(roll_out(edition, budget))
    assert fleet.faults() == []
    assert len(expected.moves) == (1 if edition.endswith("!") else len(NAMES))
    for number in range(1, writes + 1):
        found, fleet, _ = run(roll_out(edition, budget, (number, "after")))
        assert fleet.restarts == 1, f"it was not killed after write {number}"
        assert fleet.faults() == [], f"killed after write {number}"
        assert found == expected, f"killed after write {number}"
