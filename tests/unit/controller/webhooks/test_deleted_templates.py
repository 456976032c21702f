"""The delete of a template is allowed, with a warning of the instances that use it."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.controller.webhooks.review import MalformedReviewError
from model_operator.core.webhooks.callers import Caller
from tests.examples.objects import instance, template
from tests.examples.reviews import FakeServer, admission, ask, review, stored

PATH = "/validate-modeltemplate"
TEMPLATE = stored(template())
DELETE = review(None, TEMPLATE, operation="DELETE")


def users(count: int) -> list[dict[str, Any]]:
    return [stored(instance(f"minilm-{number}")) for number in range(count)]


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, "1 instance uses this template: team-a/minilm-0; running workers stay"),
        (2, "2 instances use this template: team-a/minilm-0, team-a/minilm-1; running workers stay"),
        (7, "7 instances use this template: team-a/minilm-0, team-a/minilm-1, team-a/minilm-2, "),
    ],
)
async def test_a_template_in_use(count: int, said: str) -> None:
    response = await ask(admission(FakeServer(), TEMPLATE, *users(count)), DELETE, PATH)

    (warning,) = response["warnings"]
    assert response["allowed"] is True
    assert warning.startswith(f"ModelTemplate encoder: {said}")
    assert ("and 2 more" in warning) is (count == 7)


async def test_nothing_is_said_of_what_no_instance_uses() -> None:
    elsewhere = stored(instance(), namespace="team-b")
    ending = stored(instance("ending"), deletionTimestamp="2026-01-01T09:00:00Z")

    response = await ask(admission(FakeServer(), TEMPLATE, elsewhere, ending), DELETE, PATH)

    assert response == {"uid": response["uid"], "allowed": True}


async def test_a_stranger_learns_of_no_instances() -> None:
    response = await ask(admission(FakeServer(), TEMPLATE, *users(2)), DELETE, PATH, Caller.STRANGER)

    assert response == {"uid": response["uid"], "allowed": True}


@pytest.mark.parametrize("old", [None, stored(template("other")), stored(instance())])
async def test_a_review_that_contradicts_itself(old: Any) -> None:
    forged = {**DELETE, "request": {**DELETE["request"], "oldObject": old}}

    with pytest.raises(MalformedReviewError):
        await ask(admission(FakeServer(), TEMPLATE), forged, PATH)
