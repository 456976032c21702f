"""Whether a request is the repeat of one that created the object."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from model_operator.core.gateway.rest.creation_repeats import is_repeat, with_idempotency_key
from model_operator.core.objects.kept_form import IDEMPOTENCY_KEY

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
LATER = CREATED + timedelta(minutes=10)
USER = "modeloperator.dev/created-by-user-id"
SPEC = {"model_type": "AGENT", "model_creation_parameters": {"A": 1.0}}
WANTED = {"metadata": {"name": "q", "annotations": {USER: "ann"}}, "spec": SPEC}


def existing(spec: Any = None, *, user: str = "ann", **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": "q",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {USER: user} if user else {},
            **metadata,
        },
        "spec": {"model_creation_parameters": {"A": 1}, "model_type": "AGENT"} if spec is None else spec,
    }


def repeats(obj: dict[str, Any], *, now: datetime = LATER, retries: int = 1, key: str = "") -> bool:
    return is_repeat(obj, WANTED, "ann", retries, key, now)


def test_a_request_that_is_marked_as_sent_again_is_a_repeat() -> None:
    assert repeats(existing())
    assert not repeats(existing(), retries=0)


@pytest.mark.parametrize(("seconds", "expected"), [(0, True), (119, True), (120, False), (-5, True)])
def test_a_new_object_is_what_the_same_request_made(seconds: int, expected: bool) -> None:
    assert repeats(existing(), now=CREATED + timedelta(seconds=seconds), retries=0) is expected


@pytest.mark.parametrize(
    "obj",
    [
        existing({**SPEC, "description": "other"}),
        existing({**SPEC, "model_creation_parameters": {"A": True}}),
        existing({}),
        existing(user="bob"),
        existing(user=""),
        existing(deletionTimestamp="2026-01-01T00:00:01Z"),
    ],
)
def test_another_object_is_no_repeat(obj: dict[str, Any]) -> None:
    assert not repeats(obj, now=CREATED, key="k")


def test_the_creator_that_the_operator_reported_counts() -> None:
    obj = existing(user="ann") | {"status": {"created_by_user_id": "bob"}}
    assert not repeats(obj)
    assert repeats(existing(user="bob") | {"status": {"created_by_user_id": "ann"}})


def test_the_key_of_a_request_decides() -> None:
    keyed = with_idempotency_key(existing(), "k")
    assert "k" not in keyed["metadata"]["annotations"].values()
    assert keyed["metadata"]["annotations"].keys() == {USER, IDEMPOTENCY_KEY}
    assert repeats(keyed, key="k", retries=0)
    assert not repeats(keyed, key="other", now=CREATED)
    assert repeats(keyed)
    assert not repeats(existing(), key="k", retries=0)
    assert with_idempotency_key(WANTED, "") is WANTED


@pytest.mark.parametrize("timestamp", [None, "", "soon", "2026-01-01T00:00:00"])
def test_any_timestamp_is_read(timestamp: Any) -> None:
    obj = existing(creationTimestamp=timestamp)
    assert repeats(obj, now=CREATED, retries=0) is (timestamp == "2026-01-01T00:00:00")
