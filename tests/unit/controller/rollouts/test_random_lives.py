"""Random lives of a fleet: whatever users do and whatever breaks, every version keeps the rules of roll-outs.

The lives are the same in every run. ``MODEL_OPERATOR_LIVES=N`` takes N others, by the seed that
``MODEL_OPERATOR_LIVES_SEED`` names.
"""

from __future__ import annotations

import os

import pytest

from tests.life.moves import resting_faults
from tests.unit.controller.rollouts.random_life import RandomLife
from tests.unit.controller.virtual_clock import run

SEED = os.environ.get("MODEL_OPERATOR_LIVES_SEED", "life")
LIVES = int(os.environ.get("MODEL_OPERATOR_LIVES", "6"))
EVENTS = 14


async def live(seed: str) -> RandomLife:
    """Live one life to its end."""
    life = RandomLife(seed)
    await life.live(EVENTS)
    return life


@pytest.mark.parametrize("number", range(LIVES))
def test_every_version_of_a_random_life_keeps_the_rules(number: int) -> None:
    life = run(live(f"{SEED}-{number}"))
    fleet, story = life.fleet, "\n".join(life.story)
    assert fleet.faults() == [], story
    assert [*resting_faults(fleet.cluster.history)] == [], story
    # In the end all faults are mended, and the edit is approved.
    assert fleet.state == "COMPLETE", f"{fleet.template['status']}\n{story}"
    assert set(fleet.positions().values()) <= {fleet.latest}, f"{fleet.positions()}\n{story}"
    assert fleet.template["status"]["stable_revision"] == fleet.latest, story
