"""A key is created as a whole or not at all, whatever fails and when."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from model_operator.cli.plugin.cluster import Cluster
from model_operator.cli.plugin.key_parts import create_key, known_keys, revoke_key
from model_operator.cli.plugin.queries import QueryError
from model_operator.core.gateway.keys import Grant, Key
from model_operator.kube.errors import error_for
from model_operator.kube.resources import ResourceKind

KEY = Key("a", "app", (Grant("a", ("qwen",)), Grant("b", ("minilm",))), "modeloperator.dev")
WRITES = 8
"""A ServiceAccount, two Roles, two RoleBindings, a Secret, the token, and when it expires."""


class Store:
    """An API server that keeps objects, and fails where a test wants it to."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.writes = 0
        self.fail_at = 0
        self.error: BaseException | None = None
        self.is_lost = False
        self.not_deletable: set[str] = set()

    async def create(self, kind: ResourceKind, obj: dict[str, Any]) -> dict[str, Any]:
        place = (kind.kind, obj["metadata"]["namespace"], obj["metadata"]["name"])
        if place in self.objects:
            raise error_for(409, {}, "POST")
        stored = obj | {"metadata": obj["metadata"] | {"uid": str(len(self.objects))}}
        self._write(lambda: self.objects.__setitem__(place, stored))
        return stored

    async def patch(self, kind: ResourceKind, namespace: str, name: str, patch: dict[str, Any]) -> None:
        annotations = self.objects[kind.kind, namespace, name]["metadata"]["annotations"]
        self._write(lambda: annotations.update(patch["metadata"]["annotations"]))

    async def request_token(self, *_: Any) -> dict[str, Any]:
        self._write(lambda: None)
        return {"token": "a.b.c", "expirationTimestamp": "2027-02-28T12:00:00Z"}

    async def get(self, kind: ResourceKind, namespace: str, name: str) -> dict[str, Any]:
        if kind.kind == "ModelInstance":
            return {"metadata": {"name": name}}
        try:
            return self.objects[kind.kind, namespace, name]
        except KeyError:
            raise error_for(404, {"details": {"name": name}}, "GET") from None

    async def delete(self, kind: ResourceKind, namespace: str, name: str, uid: str) -> bool:
        if kind.kind in self.not_deletable:
            raise error_for(403, {"message": 'User "ann" cannot delete'}, "DELETE")
        assert self.objects.pop((kind.kind, namespace, name))["metadata"]["uid"] == uid
        return True

    async def list(self, kind: ResourceKind, namespace: str, **_: Any) -> Any:
        for (each, where, _name), obj in self.objects.items():
            if each == kind.kind and namespace in ("", where):
                yield obj

    async def is_allowed(self, *_: Any) -> bool:
        return True

    def _write(self, change: Any) -> None:
        self.writes += 1
        if self.writes == self.fail_at and self.error is not None:
            if self.is_lost:
                change()
            raise self.error
        change()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def cluster(store: Store) -> Cluster:
    client: Any = store
    return Cluster(client, "a", "https://cluster")


async def test_a_key_has_all_its_parts(store: Store, cluster: Cluster) -> None:
    issued = await create_key(cluster, KEY, 600)

    assert issued.token == "a.b.c"
    assert store.writes == WRITES
    assert sorted(store.objects) == [
        ("Role", "a", "model-key-app"),
        ("Role", "b", "model-key-a.app"),
        ("RoleBinding", "a", "model-key-app"),
        ("RoleBinding", "b", "model-key-a.app"),
        ("Secret", "a", "model-key-app"),
        ("ServiceAccount", "a", "model-key-app"),
    ]
    (known,) = await known_keys(cluster, "a")
    assert (known["expires_at"], known["revoked"]) == ("2027-02-28T12:00:00Z", False)


@pytest.mark.parametrize("fail_at", range(1, WRITES + 1))
@pytest.mark.parametrize("code", [0, 403, 409, 422, 500])
async def test_a_failure_leaves_nothing(store: Store, cluster: Cluster, fail_at: int, code: int) -> None:
    error = error_for(code or 503, {"message": "no"}, "POST")
    store.fail_at, store.error = fail_at, error

    with pytest.raises(QueryError) as caught:
        await create_key(cluster, KEY, 600)

    assert not store.objects
    assert not str(caught.value).endswith("; ")


@pytest.mark.parametrize("fail_at", range(2, WRITES + 1))
async def test_a_write_without_a_response_is_undone_too(store: Store, cluster: Cluster, fail_at: int) -> None:
    store.fail_at, store.error, store.is_lost = fail_at, error_for(503, {}, "POST"), True

    with pytest.raises(QueryError, match="no part of the key is left"):
        await create_key(cluster, KEY, 600)

    assert not store.objects


async def test_a_first_write_without_a_response_is_named(store: Store, cluster: Cluster) -> None:
    store.fail_at, store.error, store.is_lost = 1, error_for(503, {}, "POST"), True

    with pytest.raises(QueryError, match=r"may have been created.*key revoke app --namespace a"):
        await create_key(cluster, KEY, 600)


@pytest.mark.parametrize("fail_at", range(2, WRITES + 1))
async def test_an_interruption_leaves_nothing(store: Store, cluster: Cluster, fail_at: int) -> None:
    store.fail_at, store.error = fail_at, asyncio.CancelledError()

    with pytest.raises(QueryError, match=r"^interrupted; no part of the key is left"):
        await create_key(cluster, KEY, 600)

    assert not store.objects


async def test_what_cannot_be_undone_is_named(store: Store, cluster: Cluster) -> None:
    store.fail_at, store.error = WRITES, error_for(403, {"message": "no"}, "PATCH")
    store.not_deletable = {"Role"}

    with pytest.raises(QueryError) as caught:
        await create_key(cluster, KEY, 600)

    assert "Role a/model-key-app: user ann cannot delete roles" in str(caught.value)
    assert str(caught.value).endswith("Action (user): kubectl model key revoke app --namespace a")
    assert {kind for kind, _, _ in store.objects} == {"Role", "ServiceAccount"}
    store.not_deletable.clear()
    deleted, kept = await revoke_key(cluster, "app")
    assert (len(deleted), kept) == (3, [])
    assert not store.objects


async def test_another_key_stays(store: Store, cluster: Cluster) -> None:
    other = Key("a", "app-2", KEY.grants, KEY.audience)
    await create_key(cluster, other, 600)
    before = dict(store.objects)
    await create_key(cluster, KEY, 600)

    with pytest.raises(QueryError, match="there is already a key app in namespace a"):
        await create_key(cluster, KEY, 600)
    await revoke_key(cluster, "app")

    assert store.objects == before
    assert await revoke_key(cluster, "app") == ([], [])


async def test_what_has_the_name_and_is_no_part_stays(store: Store, cluster: Cluster) -> None:
    place = ("ServiceAccount", "a", "model-key-app")
    store.objects[place] = {"metadata": {"name": "model-key-app", "namespace": "a", "uid": "7"}}

    with pytest.raises(QueryError, match="ServiceAccount a/model-key-app exists and is no key"):
        await create_key(cluster, KEY, 600)

    assert await revoke_key(cluster, "app") == ([], [])
    assert list(store.objects) == [place]


async def test_without_its_secret_a_key_is_revoked(store: Store, cluster: Cluster) -> None:
    await create_key(cluster, KEY, 600)
    del store.objects["Secret", "a", "model-key-app"]

    assert [each["revoked"] for each in await known_keys(cluster, "")] == [True]
