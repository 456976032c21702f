"""The key of a request, what Kubernetes is asked about it, and what an answer means."""

from __future__ import annotations

import base64
import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.gateway.access import (
    MAX_KEY_BYTES,
    Caller,
    Claims,
    access_review,
    asked_audiences,
    caller_of,
    claims_of,
    decision_key,
    digest,
    is_allowed,
    key_of,
    token_review,
)
from model_operator.core.gateway.failures import Failure, FailureReason

OURS = "modeloperator.dev"
SECRET = b"secret"
USER = {
    "username": "system:serviceaccount:team-a:app",
    "uid": "1234",
    "groups": ["system:serviceaccounts", "system:authenticated"],
    "extra": {"authentication.kubernetes.io/credential-id": ["JTI=1"]},
}


def jwt(claims: Any) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.c2ln"


def caller(user: dict[str, Any] = USER, secret: bytes = SECRET) -> Caller:
    found = caller_of({"authenticated": True, "user": user}, [], secret)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("authorization", "api_key"),
    [
        (["Bearer abc.def"], []),
        (["bearer abc.def"], []),
        (["BEARER   abc.def "], []),
        ([], ["abc.def"]),
        ([], [" abc.def "]),
        (["Bearer abc.def"], ["abc.def"]),
        (["Bearer abc.def", "Bearer abc.def"], ["abc.def", "abc.def"]),
    ],
)
def test_a_key_comes_in_either_header(authorization: list[str], api_key: list[str]) -> None:
    assert key_of(authorization, api_key) == "abc.def"


@pytest.mark.parametrize(
    ("authorization", "api_key"),
    [
        (["Bearer abc"], ["def"]),
        (["Bearer abc", "Bearer def"], []),
        ([], ["abc", "def"]),
        (["Bearer abc"], [""]),
    ],
)
def test_keys_that_differ_are_an_invalid_request(authorization: list[str], api_key: list[str]) -> None:
    with pytest.raises(Failure) as caught:
        key_of(authorization, api_key)
    assert caught.value.reason is FailureReason.INVALID_REQUEST
    (entry,) = caught.value.entries
    assert entry.loc == ("header", "x-api-key" if api_key else "authorization")


@pytest.mark.parametrize(
    ("authorization", "api_key"),
    [
        ([], []),
        (["Basic dXNlcjpwYXNz"], []),
        (["Basic dXNlcjpwYXNz"], ["abc"]),
        (["abc"], []),
        ([""], []),
        (["Bearer"], []),
        (["Bearer "], []),
        ([], [""]),
        ([], ["a b"]),
        ([], ["a,b"]),
        ([], ["a\x85"]),
        ([], ["ключ"]),
        ([], ["a\udcff"]),
        ([], ["=="]),
        ([], ["a" * (MAX_KEY_BYTES + 1)]),
        (["Bearer " + "a" * (MAX_KEY_BYTES + 1)], []),
    ],
)
def test_what_is_no_key_is_not_authenticated(authorization: list[str], api_key: list[str]) -> None:
    with pytest.raises(Failure) as caught:
        key_of(authorization, api_key)
    assert caught.value.reason is FailureReason.UNAUTHENTICATED


def test_the_longest_key_is_one() -> None:
    assert len(key_of([], ["a" * MAX_KEY_BYTES])) == MAX_KEY_BYTES


@given(st.text(), st.text())
def test_a_message_never_has_the_key(first: str, second: str) -> None:
    marked = f"s3cret{first}", f"s3cret{second}"
    for authorization in marked, [f"Bearer {each}" for each in marked], [f"Basic {each}" for each in marked]:
        with suppress(Failure):
            assert key_of(authorization, marked) in [each.strip() for each in marked]
            continue
        with pytest.raises(Failure) as caught:
            key_of(authorization, marked)
        assert "s3cret" not in caught.value.message


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (jwt({"exp": 1000, "aud": OURS}), Claims(1000, (OURS,))),
        (jwt({"exp": 1000.5, "aud": ["a", OURS, 7]}), Claims(1000.5, ("a", OURS))),
        (jwt({"aud": {}}), Claims()),
        (jwt({"exp": True}), Claims()),
        (jwt({"exp": "1000"}), Claims()),
        (jwt({"exp": 10**400}), Claims()),
        (jwt([]), Claims()),
        (jwt("text"), Claims()),
        ("opaque", Claims()),
        ("a.b", Claims()),
        ("a.b.c.d", Claims()),
        ("a.!.c", Claims()),
        ("a.a.c", Claims()),
        ("a..c", Claims()),
        ("é.é.é", Claims()),
    ],
)
def test_claims_are_read_where_there_are_any(key: str, expected: Claims) -> None:
    assert claims_of(key) == expected


def test_deep_claims_do_no_harm() -> None:
    deep = base64.urlsafe_b64encode(b'{"aud":' + b"[" * 12_000 + b"]" * 12_000 + b"}").decode()
    assert claims_of(f"e30.{deep}.x").expires == math.inf


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        (Claims(audiences=(OURS,)), [OURS]),
        (Claims(audiences=("https://kubernetes.default.svc", OURS)), [OURS]),
        (Claims(audiences=("https://kubernetes.default.svc",)), []),
        (Claims(), []),
    ],
)
def test_a_key_for_the_gateway_is_reviewed_for_its_audience(claims: Claims, expected: list[str]) -> None:
    assert asked_audiences(claims, OURS) == expected


def test_the_question_has_audiences_only_where_there_are_some() -> None:
    assert token_review("k", [OURS]) == {"token": "k", "audiences": [OURS]}
    assert token_review("k", []) == {"token": "k"}


def test_an_authenticated_user_is_the_caller() -> None:
    found = caller()
    assert (found.username, found.uid, found.groups) == (USER["username"], "1234", tuple(USER["groups"]))
    assert found.extra == {"authentication.kubernetes.io/credential-id": ("JTI=1",)}


@pytest.mark.parametrize(
    ("status", "audiences"),
    [
        ({}, []),
        ({"authenticated": False, "user": USER}, []),
        ({"authenticated": "true", "user": USER}, []),
        ({"authenticated": True}, []),
        ({"authenticated": True, "user": {"username": ""}}, []),
        ({"authenticated": True, "user": USER}, [OURS]),  # an API server that does not know audiences
        ({"authenticated": True, "user": USER, "audiences": ["https://kubernetes.default.svc"]}, [OURS]),
    ],
)
def test_anything_else_is_no_caller(status: dict[str, Any], audiences: list[str]) -> None:
    assert caller_of(status, audiences, SECRET) is None


def test_an_answer_for_the_audience_of_the_gateway_is_a_caller() -> None:
    assert caller_of({"authenticated": True, "user": USER, "audiences": [OURS]}, [OURS], SECRET) == caller()


@pytest.mark.parametrize(
    "changed",
    [
        {"username": "other"},
        {"uid": "5678"},
        {"groups": ["system:serviceaccounts"]},
        {"extra": {}},
        {"extra": {"authentication.kubernetes.io/credential-id": ["JTI=2"]}},
    ],
)
def test_users_that_differ_have_decisions_apart(changed: dict[str, Any]) -> None:
    assert caller(USER | changed).key != caller().key
    assert caller(USER, b"another process").key != caller().key
    assert caller(json.loads(json.dumps(USER))).key == caller().key


def test_decisions_of_several_models_are_apart() -> None:
    found = caller()
    models = [("a", "b"), ("a", ""), ("", ""), ("a-b", "c"), ("a", "b-c")]
    assert len({decision_key(found, *model) for model in models}) == len(models)


def test_a_key_is_remembered_by_a_keyed_hash() -> None:
    assert digest(SECRET, "k") != digest(b"another", "k")
    assert b"k" * 40 not in digest(SECRET, "k" * 40)


def test_the_representation_of_a_caller_has_the_name_alone() -> None:
    assert repr(caller()) == "Caller(username='system:serviceaccount:team-a:app')"


def test_the_review_names_user_and_model() -> None:
    assert access_review(caller(), "team-a", "qwen") == {
        "user": USER["username"],
        "uid": "1234",
        "groups": USER["groups"],
        "extra": USER["extra"],
        "resourceAttributes": {
            "verb": "create",
            "group": "modeloperator.dev",
            "resource": "modelinstances",
            "subresource": "execute",
            "namespace": "team-a",
            "name": "qwen",
        },
    }


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"allowed": True}, True),
        ({"allowed": False}, False),
        ({"allowed": True, "denied": True}, False),
        ({"allowed": "yes"}, False),
        ({}, False),
    ],
)
def test_only_a_plain_yes_allows(status: dict[str, Any], *, expected: bool) -> None:
    assert is_allowed(status) is expected
