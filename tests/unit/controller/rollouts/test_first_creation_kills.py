"""SIGKILL of the operator at every write of a new instance: what is left in the end is the same."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.unit.controller.rollouts.cluster import NAMESPACE
from tests.unit.controller.rollouts.fleet import Fleet, instance, template
from tests.unit.controller.rollouts.operators import Replica
from tests.unit.controller.virtual_clock import run

if TYPE_CHECKING:
    from model_operator.kube.client import Object


class Outcome(NamedTuple):
    """What is left of a creation.

    Attributes
    ----------
    children
        Kind, owner and spec of the Service and the Deployment.
    ready
        Status and reason of the condition Ready.
    """

    children: list[tuple[str, str, Object]]
    ready: tuple[str, str]


async def create(seed: str, taken: str, kill: tuple[int, str] | None = None) -> tuple[Outcome, int]:
    """Create an instance of whose children one name is taken; and count the kills of the operator."""
    fleet = Fleet(seed)
    cluster = fleet.cluster
    await fleet.begin(template(), [])
    if taken:
        spec = {"replicas": 0, "of": "somebody"}
        cluster.put({"kind": taken, "metadata": {"name": "m1", "namespace": NAMESPACE}, "spec": spec})
    fleet.operator.kill()
    fleet.operator = Replica(cluster, kill)
    await fleet.rest()
    fleet.apply(instance("m1"))
    await fleet.rest(40)
    children = [
        (kind, (obj["metadata"].get("ownerReferences") or [{"kind": ""}])[0]["kind"], obj["spec"])
        for kind in ("Service", "Deployment")
        for obj in cluster.all(kind)
    ]
    ready = next(each for each in fleet.status("m1")["conditions"] if each["type"] == "Ready")
    outcome = Outcome(children, (ready["status"], ready["reason"]))
    return outcome, fleet.restarts


@pytest.mark.parametrize(
    ("taken", "kinds", "ready"),
    [
        ("", [("Service", "ModelInstance"), ("Deployment", "ModelInstance")], ("True", "RolledOut")),
        ("Service", [("Service", "")], ("False", "NameConflict")),
        ("Deployment", [("Service", "ModelInstance"), ("Deployment", "")], ("False", "NameConflict")),
    ],
)
@pytest.mark.parametrize("seed", ["one", "two"])
def test_an_operator_that_is_killed_at_any_write_leaves_nothing_in_vain(
    seed: str, taken: str, kinds: list[tuple[str, str]], ready: tuple[str, str]
) -> None:
    expected, _ = run(create(seed, taken))
    assert [each[:2] for each in expected.children] == kinds
    assert expected.ready == ready
    kills = 0
    for number in itertools.count(1):
        # A refused write has no time after it.
        for where in ("after", "before"):
            found, restarts = run(create(seed, taken, (number, where)))
            assert found == expected, f"killed {where} write {number}"
            kills += restarts
        if not restarts:
            break
    assert kills > 4
