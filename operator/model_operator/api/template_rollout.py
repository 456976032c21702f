"""How an edit of a template reaches its models: in steps, with budgets, soak times and approvals."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, StrictBool, StrictInt, StrictStr

from model_operator.api.enums import RolloutState
from model_operator.api.meta import ApiModel
from model_operator.api.revision import RevisionHash
from model_operator.api.rules import ATOMIC, IntOrString, Rule
from model_operator.api.service import LABEL_KEYS, LABEL_VALUES
from model_operator.api.values import namespace_pattern_rule

MAX_SOAK_SECONDS = 604_800
"""The longest soak time: a week."""
REMAINING = "remaining"
"""Name of the step of the instances that no step of the template selects."""
STABLE_FOLLOWERS = "stable"
"""Name of the last step, of the instances that follow the stable revision."""

_PERCENTAGE = r"^[1-9]\d?%$"
"""A percentage below 100. Kubernetes 1.30 rejects a longer expression, and ``==`` in place of ``in``: it
estimates the cost of a rule on such a field as if strings had any length."""
_SHARE_HINTS = (
    ("^[0-9]+$", "; remove the quotes for a number of instances, or add % for a percentage"),
    ("^[0-9]+ %$", "; remove the space"),
)


def _is_share(value: int | str) -> bool:
    if not isinstance(value, str):
        return value >= 1
    return value == "100%" or re.fullmatch(_PERCENTAGE, value, re.ASCII) is not None


Share = Annotated[
    StrictInt | StrictStr,
    IntOrString(max_length=4, form="write a percentage, such as 10%"),
    Rule(
        f"type(self) in [int] ? self >= 1 : self in ['100%'] || self.matches(r'{_PERCENTAGE}')",
        "must be a number of instances from 1 without quotes, or a percentage from 1% to 100%, such as 10%; "
        "to stop the roll-out, set rollout.paused",
        _is_share,
        details=_SHARE_HINTS,
        in_cel=False,
    ),
]
"""A number of instances, or a percentage of those of a step, rounded down and at least one."""

SoakSeconds = Annotated[int, Field(strict=True, ge=0, le=MAX_SOAK_SECONDS)]
"""A time in seconds, up to a week."""


class RolloutStep(ApiModel):
    """A part of the instances, which an edit reaches before the instances of later steps."""

    name: Annotated[
        str,
        Field(min_length=1, max_length=63),
        Rule(
            "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
            "must have lower-case letters, digits and '-' only, and start and end with a letter or digit",
            lambda name: re.fullmatch("[a-z0-9]([-a-z0-9]*[a-z0-9])?", name) is not None,
        ),
        Rule(
            f"!(self in ['{REMAINING}', '{STABLE_FOLLOWERS}'])",
            f"must be neither {REMAINING} nor {STABLE_FOLLOWERS}, the names of the steps that follow those "
            "of the template",
            lambda name: name not in (REMAINING, STABLE_FOLLOWERS),
        ),
    ]
    """Name of the step, unique in the list."""
    labels: (
        Annotated[
            dict[str, Annotated[str, Field(max_length=63)]],
            Field(min_length=1, max_length=16),
            LABEL_KEYS,
            LABEL_VALUES,
        ]
        | None
    ) = None
    """Labels that an instance must all have to be in this step. Without it, labels do not matter."""
    namespaces: (
        Annotated[
            list[
                Annotated[
                    str,
                    Field(min_length=1, max_length=63),
                    namespace_pattern_rule("staging-*"),
                ]
            ],
            Field(min_length=1, max_length=64),
            ATOMIC,
        ]
        | None
    ) = None
    """Namespaces of the instances in this step, as names or patterns with `*` and `?`. Without it, the
    namespace does not matter."""
    max_unavailable: Share | None = None
    """As `rollout.max_unavailable`, in this step. Default: that of the roll-out."""
    soak_seconds: SoakSeconds | None = None
    """As `rollout.soak_seconds`, for this step. Default: that of the roll-out."""
    needs_approval: StrictBool | None = None
    """Whether the roll-out waits at the end of this step until `rollout.approved` is its revision."""


class Rollout(ApiModel):
    """How an edit reaches the instances. With this object, even an empty one, it does so in steps."""

    paused: StrictBool | None = None
    """Whether the roll-out is paused: no instance gets another revision. Instances stay at theirs and are
    reconciled in full."""
    max_unavailable: Share | None = None
    """Number of instances that may have got the new revision and not be Ready with it yet: a number, or a
    percentage of the instances of the step, rounded down and at least 1. Built-in default: 10%."""
    max_failures: Annotated[int, Field(strict=True, ge=0, le=10_000)] | None = None
    """Number of instances that may fail at the new revision without delaying the others. With one more,
    or when they are as many as `max_unavailable` of their step allows, the roll-out is halted until they
    recover or the template is edited. Built-in default: 0."""
    soak_seconds: SoakSeconds | None = None
    """Time in seconds for which the instances of a step must have been Ready with the new revision before the
    next step begins. Built-in default: 60."""
    steps: (
        Annotated[
            list[RolloutStep],
            Field(max_length=10),
            ATOMIC,
            Rule(
                "self.all(a, self.exists_one(b, b.name == a.name))",
                "names of steps must be unique; rename or remove the repeated one",
                lambda steps: len({step.name for step in steps}) == len(steps),
            ),
        ]
        | None
    ) = None
    """Steps in their order. An instance is in the first one that selects it. Instances that none selects
    follow as the step `remaining`, and those that follow the stable revision last, as the step `stable`."""
    approved: RevisionHash | None = None
    """Hash of the revision that may pass the steps with `needs_approval`, in quotes. It has no effect for any
    other revision, so that it ends with the next edit."""


class RolloutStatus(ApiModel):
    """How far the latest revision of a template has reached its instances."""

    revision: str
    """Hash of the revision that rolls out."""
    state: RolloutState
    """COMPLETE: nothing is left to move. ROLLING_OUT: instances get the revision. SOAKING: those of the step
    are Ready, for not long enough yet. AWAITING_APPROVAL: the step is done and needs `rollout.approved`.
    PAUSED: by `rollout.paused`. HALTED: too many instances have failed at the revision."""
    step: str | None = None
    """Name of the step that the roll-out has reached; absent when it is complete."""
    started_at: str = Field(json_schema_extra={"format": "date-time"})
    """Time at which the roll-out of this revision began, RFC 3339, UTC."""
    instances: Annotated[int, Field(strict=True, ge=0)]
    """Number of instances of the template."""
    arrived: Annotated[int, Field(strict=True, ge=0)]
    """Number of those that are Ready at the revision."""
    moving: Annotated[int, Field(strict=True, ge=0)]
    """Number of those that have got the revision and are not Ready with it yet."""
    failed: Annotated[int, Field(strict=True, ge=0)]
    """Number of those that have got the revision and fail at it: they are Stalled, or no waiting helps."""
    waiting: Annotated[int, Field(strict=True, ge=0)]
    """Number of those that run another revision until it is their turn."""
    pinned: Annotated[int, Field(strict=True, ge=0)]
    """Number of those that are pinned to a revision, by its hash."""
