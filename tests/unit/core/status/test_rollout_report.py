"""What a template reports of a roll-out: each state with its message, and nothing that changes with time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from model_operator.api import ModelTemplateStatus, Rollout
from model_operator.core.objects.conditions import Hold
from model_operator.core.rollouts.advance import Advance, advance
from model_operator.core.rollouts.follower import Follower, FollowerKey
from model_operator.core.rollouts.policy import Policy, policy_of
from model_operator.core.status.rollout_counts import RolloutReason
from model_operator.core.status.rollout_report import RolloutReport

NOW = datetime(2026, 1, 1, 9, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=1)
STARTED = "2026-01-01T08:00:00Z"
TARGET, STABLE = "4a4a4a4a4a4a", "3c3c3c3c3c3c"
CASES = yaml.safe_load((Path(__file__).parent / "rollout_reports.yaml").read_text())
STEPS = CASES["steps"]


def follower(name: str, state: str, **changes: Any) -> Follower:
    """Return an instance; ``ready`` has been so for long, ``fresh`` is just Ready."""
    namespace, _, name = name.rpartition("/")
    facts: dict[str, Any] = {"revision": STABLE if state == "old" else TARGET, "labels": {}}
    if state in ("old", "ready", "fresh"):
        facts |= {"is_ready": True, "arrived_at": NOW if state == "fresh" else LONG_AGO}
    facts |= {"is_stalled": state == "stalled"}
    return Follower(FollowerKey(namespace or "prod", name), **(facts | changes))


def report(
    rollout: dict[str, Any] | None,
    *followers: Follower,
    pinned: int = 0,
    stable: str = STABLE,
    is_cluster_wide: bool = False,
) -> RolloutReport:
    policy = policy_of(None if rollout is None else Rollout.model_validate(rollout))
    progress = advance(policy, TARGET, stable, followers, NOW)
    return RolloutReport(progress, policy, TARGET, pinned, STARTED, is_cluster_wide)


def many(prefix: str, state: str, count: int, **changes: Any) -> list[Follower]:
    return [follower(f"{prefix}{number}", state, **changes) for number in range(count)]


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: case["about"])
def test_condition(case: dict[str, Any]) -> None:
    followers = [follower(name, state) for name, state in case.get("followers", {}).items()]
    found = report(
        case.get("rollout"),
        *followers,
        pinned=case.get("pinned", 0),
        stable=case.get("stable", STABLE),
        is_cluster_wide=case.get("is_cluster_wide", False),
    ).condition(RolloutReason(case["hindrance"]) if "hindrance" in case else None)

    assert (found.reason, found.message) == (case["reason"], case["message"])
    assert found.status is (case["reason"] in ("NoInstances", "AllUpdated"))


def test_every_reason_has_a_case() -> None:
    assert {case["reason"] for case in CASES["cases"]} == {reason.value for reason in RolloutReason}


def test_the_documentation_has_every_reason() -> None:
    text = (Path(__file__).parents[4] / "docs" / "status.md").read_text()
    shown = re.findall(r"^\| `(\w+)` \| (True|False) \| [^|]+ \| [^|]*\|$", text, re.MULTILINE)
    done = ("NoInstances", "AllUpdated")

    assert {*shown} == {(each.value, str(each.value in done)) for each in RolloutReason}
    assert not [hold for hold in Hold if f"`{hold}`" not in text]


def test_status() -> None:
    followers = [
        follower("staging/a", "ready"),
        *many("b", "ready", 2),
        follower("c", "moving"),
        *many("d", "old", 3),
    ]
    found = report({**STEPS, "max_unavailable": 1}, *followers, pinned=2).status()

    assert found == {
        "revision": TARGET,
        "state": "ROLLING_OUT",
        "step": "remaining",
        "started_at": STARTED,
        "instances": 9,
        "arrived": 3,
        "moving": 1,
        "failed": 0,
        "waiting": 3,
        "pinned": 2,
    }
    ModelTemplateStatus.model_validate({"rollout": found})


def test_a_complete_roll_out_has_no_step() -> None:
    found = report(STEPS, *many("a", "ready", 2), stable=TARGET).status()

    assert (found["state"], "step" in found) == ("COMPLETE", False)


def test_time_alone_changes_nothing() -> None:
    policy = policy_of(Rollout.model_validate(STEPS))
    followers = [follower("staging/a", "fresh"), *many("b", "old", 4)]
    reports = [
        RolloutReport(_advance(policy, followers, NOW + timedelta(seconds=late)), policy, TARGET, 0, STARTED)
        for late in (0, 1, 600)
    ]

    assert reports[0].progress.look_again_in != reports[1].progress.look_again_in
    assert len({(str(each.status()), each.condition().message) for each in reports}) == 1


def _advance(policy: Policy, followers: list[Follower], now: datetime) -> Advance:
    return advance(policy, TARGET, STABLE, followers, now)
