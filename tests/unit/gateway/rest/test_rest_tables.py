"""The tables of the REST API: what the watch brings late never undoes what the gateway has seen itself."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

import pytest

from model_operator.gateway.rest.rest_tables import RestTables


def uid_of(text: str) -> str:
    return str(uuid5(NAMESPACE_DNS, text))


def instance(uid: str, version: int) -> dict[str, Any]:
    metadata = {"namespace": "team-a", "name": "qwen", "uid": uid_of(uid), "resourceVersion": str(version)}
    return {"kind": "ModelInstance", "metadata": metadata, "spec": {"model_template_id": "chat"}}


def template(uid: str, version: int) -> dict[str, Any]:
    made = instance(uid, version)
    return {**made, "kind": "ModelTemplate", "spec": {"model_type": "GENERIC"}}


@pytest.fixture
def tables() -> RestTables:
    return RestTables(lambda: 0.0)


def test_a_late_deletion_does_not_remove_what_was_created_again(tables: RestTables) -> None:
    for put, remove, find in (
        (tables.put_instance, tables.remove_instance, tables.records.by_uid),
        (
            tables.put_template,
            lambda *key: tables.remove_template("ModelTemplate", *key),
            tables.templates.with_uid,
        ),
    ):
        make = instance if put == tables.put_instance else template
        put(make("old", 5))
        put(make("new", 9))
        remove("team-a", "qwen", 8)
        assert find(uid_of("new")) is not None
        put(make("new", 9))
        remove("team-a", "qwen", 12)
        assert find(uid_of("new")) is None
        put(make("new", 9))
        assert find(uid_of("new")) is None, "an older version does not bring it back"


def test_what_is_being_deleted_does_not_exist(tables: RestTables) -> None:
    tables.put_instance(instance("one", 5))
    going = instance("one", 6)
    going["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    tables.put_instance(going)
    assert tables.records.by_uid(uid_of("one")) is None
    assert tables.records.was_deleted(uid_of("one"))


def test_a_deletion_over_rest_is_of_all_versions_of_the_instance(tables: RestTables) -> None:
    tables.put_instance(instance("one", 7))
    tables.deleted_instance(instance("one", 5))
    assert tables.records.by_uid(uid_of("one")) is None
    tables.put_instance(instance("one", 8))
    assert tables.records.by_uid(uid_of("one")) is None, "a late event of the watch"
    tables.put_instance(instance("again", 9))
    tables.deleted_instance(instance("one", 5))
    assert tables.records.by_uid(uid_of("again")) is not None


async def test_waiting_ends_with_the_change_and_with_the_time(tables: RestTables) -> None:
    waiting = asyncio.create_task(tables.until(lambda: tables.records.by_uid(uid_of("one")), 5))
    await asyncio.sleep(0)
    tables.put_instance(instance("other", 4))
    await asyncio.sleep(0)
    assert not waiting.done()
    tables.put_instance(instance("one", 5))
    found = await waiting
    assert found is not None
    assert found.uid == uid_of("one")
    assert await tables.until(lambda: tables.records.by_uid(uid_of("none")), 0.01) is None
