"""How long one decision of a roll-out holds the event loop."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from model_operator.api import Rollout
from model_operator.core.rollouts.advance import advance
from model_operator.core.rollouts.follower import Follower, FollowerKey
from model_operator.core.rollouts.policy import policy_of

_STABLE, _TARGET = "0" * 12, "f" * 12
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_STEPS = 10
_REPEATS = 20


def decision_ms(count: int) -> dict[str, Any]:
    """Give the milliseconds of a decision on so many instances in ten steps, at several stages.

    Each is taken several times, and the quickest counts, since other processes only ever add time.
    """
    steps = [
        {
            "name": f"step-{number}",
            "labels": {"step": str(number)},
            "namespaces": ["team-*", f"other-{number}"],
        }
        for number in range(_STEPS)
    ]
    policy = policy_of(Rollout.model_validate({"steps": steps, "soak_seconds": 0}))
    stages = {"begun": 0, "half": count // 2, "done": count}
    return {name: _quickest(policy, _followers(count, arrived)) for name, arrived in stages.items()}


def _followers(count: int, arrived: int) -> list[Follower]:
    # The last step is that of those that no step selects: for these, all steps are looked at.
    return [
        Follower(
            FollowerKey(f"team-{number}", f"model-{number}"),
            _TARGET if number < arrived else _STABLE,
            {"step": str(number * (_STEPS + 1) // count), "app": "model"},
            is_ready=True,
            arrived_at=_NOW if number < arrived else None,
        )
        for number in range(count)
    ]


def _quickest(policy: Any, followers: list[Follower]) -> float:
    taken = []
    for _ in range(_REPEATS):
        begin = time.process_time()
        advance(policy, _TARGET, _STABLE, followers, _NOW)
        taken.append(time.process_time() - begin)
    return round(min(taken) * 1000, 2)
