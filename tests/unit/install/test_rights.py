"""What counts as the use of a right."""

from __future__ import annotations

from typing import Any

import pytest

from tests.install.rights import Right, granted, refused, unused

ROLE = {
    "kind": "ClusterRole",
    "rules": [
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "create", "patch"]},
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["one"], "verbs": ["get"]},
    ],
}
RIGHTS = granted([ROLE, {"kind": "ClusterRoleBinding"}])
GET, CREATE, PATCH = (Right("apps", "deployments", verb) for verb in ("get", "create", "patch"))
SECRET = Right("", "secrets", "get", "one")


def request(
    verb: str, code: int = 200, group: str = "apps", resource: str = "deployments", name: str = "a"
) -> Any:
    return {"verb": verb, "code": code, "group": group, "resource": resource, "name": name}


def test_rules_are_taken_apart() -> None:
    assert granted([ROLE]) == {GET, CREATE, PATCH, SECRET}


@pytest.mark.parametrize("place", ["apiGroups", "resources", "verbs"])
def test_wildcards_are_refused(place: str) -> None:
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], place: ["*"]}
    with pytest.raises(ValueError, match="expected no wildcards"):
        granted([{"kind": "Role", "rules": [rule]}])


@pytest.mark.parametrize(
    ("requests", "left"),
    [
        ([], {GET, CREATE, PATCH, SECRET}),
        ([request("get")], {CREATE, PATCH, SECRET}),
        ([request("patch")], {GET, CREATE, SECRET}),
        ([request("patch", 201)], {GET, SECRET}),
        ([request("create", 201)], {GET, PATCH, SECRET}),
        ([request("get", group="")], {GET, CREATE, PATCH, SECRET}),
        ([request("get", resource="deployments/status")], {GET, CREATE, PATCH, SECRET}),
        ([request("get", group="", resource="secrets", name="one")], {GET, CREATE, PATCH}),
        ([request("get", group="", resource="secrets", name="other")], {GET, CREATE, PATCH, SECRET}),
    ],
)
def test_what_no_request_needed_is_left(requests: list[Any], left: set[Right]) -> None:
    assert unused(RIGHTS, requests) == left


def test_only_403_is_a_refusal_and_not_pod_security_s() -> None:
    denied = {**request("get", 403), "message": 'forbidden: User "a" cannot get resource "deployments"'}
    unsafe = {**request("create", 403), "message": 'forbidden: violates PodSecurity "restricted:latest"'}
    assert refused([request("get", 404), denied, unsafe, request("patch", 409)]) == [denied]


def test_a_right_is_said_as_in_a_rule() -> None:
    assert [str(GET), str(SECRET)] == ["get deployments.apps", "get secrets one"]
