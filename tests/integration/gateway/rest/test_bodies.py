"""Bodies that no client sends: each gets a 4xx, and the gateway goes on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.rest import model_of, send, shown

if TYPE_CHECKING:
    from scale_gp import SGPClient

    from tests.cluster.gateway.process import GatewayProcess
    from tests.cluster.kube_api import KubeApi

pytestmark = pytest.mark.usefixtures("text_template")
MODELS = "/v4/models"
HUGE = 10**400
LONE = "\\ud800"


def body_of(account: str, **fields: str) -> bytes:
    """Return a body whose fields are JSON texts, valid or not."""
    wanted = {key: json.dumps(value) for key, value in model_of(account).items()} | fields
    return ("{" + ",".join(f'"{key}":{value}' for key, value in wanted.items()) + "}").encode()


BODIES: dict[str, Any] = {
    "empty": lambda _: b"",
    "no JSON": lambda _: b"{",
    "null": lambda _: b"null",
    "list": lambda _: b"[]",
    "text": lambda _: b'"name"',
    "number": lambda _: b"1",
    "no UTF-8": lambda account: body_of(account, description='"\xff"').replace("ÿ".encode(), b"\xff"),
    "UTF-16": lambda account: body_of(account).decode().encode("utf-16"),
    "brackets": lambda _: b"[" * 100_000,
    "deep": lambda account: body_of(
        account, model_creation_parameters='{"WEIGHTS":' + '{"a":' * 50_000 + "1" + "}" * 50_001
    ),
    "deep and unknown": lambda account: body_of(account, unknown="[" * 20_000 + "]" * 20_000 + "x"),
    "twice": lambda account: body_of(account)[:-1] + b',"name":5}',
    "NaN": lambda account: body_of(account, model_creation_parameters='{"WEIGHTS": NaN}'),
    "Infinity": lambda account: body_of(account, model_creation_parameters='{"WEIGHTS": -Infinity}'),
    "huge number": lambda account: body_of(
        account, model_creation_parameters=f'{{"WEIGHTS":"a","BATCH_SIZE":{HUGE}}}'
    ),
    "exponent": lambda account: body_of(
        account, model_creation_parameters='{"WEIGHTS":"a","BATCH_SIZE":1e400}'
    ),
    "surrogate in the name": lambda account: body_of(account, name=f'"{LONE}"'),
    "surrogate in a text": lambda account: body_of(account, description=f'"{LONE}"'),
    "surrogate in a parameter": lambda account: body_of(
        account, model_creation_parameters=f'{{"WEIGHTS":"{LONE}"}}'
    ),
    "surrogate in a key": lambda account: body_of(
        account, model_creation_parameters=f'{{"WEIGHTS":"a","{LONE}":1}}'
    ),
    "zero in the account": lambda account: body_of(account, account_id='"a\\u0000b"'),
    "path in the account": lambda account: body_of(account, account_id='"../../kube-system"'),
    "path in the template": lambda account: body_of(account, model_template_id='"../x"'),
    "name of a megabyte": lambda account: body_of(account, name='"' + "ä" * 1_000_000 + '"'),
    "four megabytes": lambda account: body_of(account, description='"' + "a" * 4_000_000 + '"'),
    "forty megabytes": lambda account: body_of(account, description='"' + "a" * 40_000_000 + '"'),
    "many parameters": lambda account: body_of(
        account, model_creation_parameters=json.dumps({f"P{n}": n for n in range(20_000)})
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_create(gateway: GatewayProcess, author: str, api: KubeApi, name: str) -> None:
    answer = send(gateway, author, "POST", MODELS, BODIES[name](api.namespace))

    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text[:500])
    assert len(answer.content) < 20_000_000
    assert "detail" in answer.json()
    assert api.list("ModelInstance") == []


@pytest.mark.parametrize("name", BODIES)
def test_a_patch(gateway: GatewayProcess, author: str, platform: SGPClient, api: KubeApi, name: str) -> None:
    model = platform.models.create(**model_of(api.namespace))
    answer = send(gateway, author, "PATCH", f"{MODELS}/{model.id}", BODIES[name](api.namespace))

    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text[:500])
    assert shown(platform.models.retrieve(model.id)) == shown(model)


IDS = [
    "..%2F..%2Fapi",
    "%2F",
    "a%2Fb%2Fc",
    "%00",
    "%ff",
    "A" * 4000,
    "default%2F..",
    "default%2F%2e%2e%2fsecrets",
    "kube-system%2Fx%3Fwatch=true",
    "%E2%80%A6",
    "%F0%9F%98%80",
    "*",
    "null",
]


@pytest.mark.parametrize("name", IDS)
def test_an_id(gateway: GatewayProcess, author: str, name: str) -> None:
    for method, body in (("GET", None), ("PATCH", {"description": "x"}), ("DELETE", None)):
        answer = send(gateway, author, method, f"{MODELS}/{name}", body)
        # With a namespace in the id, the API server refuses whoever has no role there.
        assert answer.status_code in {400, 403, 404, 414, 422}, (
            method,
            answer.status_code,
            answer.text[:300],
        )


@pytest.mark.parametrize("account", ["a%00b", "../x", "*", "%ff", "a" * 5000])
def test_an_account_of_a_list(gateway: GatewayProcess, author: str, account: str) -> None:
    answer = send(gateway, author, "GET", f"{MODELS}?account_id={account}")

    assert answer.status_code in {200, 400, 422}, answer.text
    if answer.status_code == 200:
        assert answer.json()["items"] == []


def test_other_methods_and_paths(gateway: GatewayProcess, author: str) -> None:
    wrong = send(gateway, author, "PUT", f"{MODELS}/x", {})
    assert wrong.status_code == 405
    assert set(wrong.headers["Allow"].split(", ")) >= {"GET", "PATCH", "DELETE"}
    assert send(gateway, author, "GET", f"{MODELS}/a/b/c").status_code == 404
    for path in ("/v4/model-groups", "/v4/serving", f"{MODELS}/x/usage-statistics"):
        answer = send(gateway, author, "GET", path)
        assert (answer.status_code, answer.headers["x-should-retry"]) == (501, "false"), path
        assert answer.json()["detail"]


def test_nothing_of_this_is_a_defect(gateway: GatewayProcess) -> None:
    """Runs last in this file: the log of the gateway has no trace of an error in it."""
    log = gateway.log.read_text(errors="replace")
    assert [line for line in log.splitlines() if "Traceback" in line or "defect" in line] == []
