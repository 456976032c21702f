"""Instances that name a revision: it is read from the API server before one is denied for lack of it."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.core.templates.revisions.objects import revision_object
from tests.examples.objects import instance, template
from tests.examples.reviews import UNAVAILABLE, FakeServer, admission, ask, review, stored

TEMPLATE = stored(template())
EARLIER = template(tag="v0")
REVISION = stored(revision_object(EARLIER))
NAME = f"modeltemplaterevisions/team-a/{REVISION['metadata']['name']}"
PINNED = stored(instance(model_template_revision=REVISION["spec"]["hash"]))


def server(*objects: dict[str, Any]) -> FakeServer:
    found = FakeServer()
    for obj in (TEMPLATE, *objects):
        found.put(obj)
    return found


async def test_one_that_the_cache_does_not_know_yet_counts() -> None:
    there = server(REVISION)
    assert await ask(admission(there, TEMPLATE), review(PINNED)) == {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "allowed": True,
    }
    assert there.asked == ["modeltemplates/team-a/encoder", NAME]


async def test_one_that_there_is_not_is_denied() -> None:
    there = server()
    response = await ask(admission(there, TEMPLATE), review(PINNED))
    assert response["allowed"] is False
    assert "has no revision" in response["status"]["message"]
    assert there.asked[-1] == NAME


async def test_a_forged_one_is_none() -> None:
    forged = stored(revision_object(EARLIER))
    forged["spec"] = {**forged["spec"], "template_spec": TEMPLATE["spec"]}
    response = await ask(admission(server(forged), TEMPLATE), review(PINNED))
    assert response["allowed"] is False


async def test_one_that_cannot_be_read_is_a_warning() -> None:
    there = server()
    there.trouble = UNAVAILABLE
    response = await ask(admission(there, TEMPLATE), review(PINNED))
    assert response["allowed"] is True
    assert any("could not be read again" in each for each in response["warnings"])


@pytest.mark.parametrize("pin", [None, "latest"])
async def test_without_a_pin_nothing_is_read(pin: str | None) -> None:
    there = server()
    named = {} if pin is None else {"model_template_revision": pin}
    response = await ask(admission(there, TEMPLATE), review(stored(instance(**named))))
    assert response["allowed"] is True
    assert there.asked == []


OTHER = stored(revision_object(template(tag="v9")))


def deployed(*revisions: str) -> dict[str, Any]:
    """Return an instance with a deployment at each of these revisions."""
    entries = [
        {"name": f"d{number}", "model_template_revision": each} for number, each in enumerate(revisions)
    ]
    return stored(instance(deployments=entries))


def address(revision: str) -> str:
    return f"modeltemplaterevisions/team-a/encoder-{revision}"


async def test_those_of_deployments_are_read_too_each_once() -> None:
    hashes = [each["spec"]["hash"] for each in (REVISION, OTHER)]
    there = server(REVISION, OTHER)
    response = await ask(admission(there, TEMPLATE), review(deployed(*hashes, hashes[0])))
    assert response["allowed"] is True
    assert "warnings" not in response
    assert there.asked == ["modeltemplates/team-a/encoder", *map(address, hashes)]


async def test_after_the_first_that_does_not_exist_none_is_read() -> None:
    """Each write could otherwise cause as many requests as there are deployments."""
    there = server(REVISION)
    absent = [f"{number:012}" for number in range(18)]
    response = await ask(admission(there, TEMPLATE), review(deployed(REVISION["spec"]["hash"], *absent)))
    assert response["allowed"] is False
    assert there.asked[1:] == [address(REVISION["spec"]["hash"]), address(absent[0])]
