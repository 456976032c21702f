"""A failure in the shape of each API."""

from __future__ import annotations

import json

import pytest

from model_operator.core.gateway.apis import Family
from model_operator.core.gateway.failures import Failure, FailureReason, response_of, stream_event


def test_openai_has_message_type_param_and_code() -> None:
    failure = Failure(FailureReason.INVALID_REQUEST, "must be a list", ("messages", 0, "content"))
    response = response_of(failure, Family.OPENAI)

    assert response.status == 400
    assert json.loads(response.body) == {
        "error": {
            "message": "must be a list",
            "type": "invalid_request_error",
            "param": "messages[0].content",
            "code": "invalid_request",
        }
    }


def test_cohere_has_a_message() -> None:
    response = response_of(Failure(FailureReason.MODEL_NOT_FOUND, "no such model"), Family.COHERE)
    assert response.status == 404
    assert json.loads(response.body)["message"] == "no such model"


def test_the_platform_answers_422_with_the_path_from_the_body() -> None:
    response = response_of(Failure(FailureReason.INVALID_BODY, "no JSON", ("prompt",)), Family.PLATFORM)
    assert response.status == 422
    assert json.loads(response.body) == {
        "detail": [{"loc": ["body", "prompt"], "msg": "no JSON", "type": "invalid_body"}]
    }
    other = response_of(Failure(FailureReason.MODEL_NOT_READY, "no worker"), Family.PLATFORM)
    assert (other.status, json.loads(other.body)["detail"]) == (503, "no worker")


@pytest.mark.parametrize("reason", FailureReason)
@pytest.mark.parametrize("family", Family)
def test_every_failure_has_a_shape_in_every_api(reason: FailureReason, family: Family) -> None:
    response = response_of(Failure(reason, "wrong"), family)
    assert 400 <= response.status < 600
    assert b"wrong" in response.body
    assert ("Retry-After" in response.headers) is (reason in RETRIED)
    assert ("WWW-Authenticate" in response.headers) is (reason is FailureReason.UNAUTHENTICATED)


RETRIED = {
    FailureReason.MODEL_NOT_READY,
    FailureReason.OVERLOADED,
    FailureReason.GATEWAY_BUSY,
    FailureReason.AUTHENTICATION_UNAVAILABLE,
    FailureReason.API_SERVER_UNAVAILABLE,
}


def test_a_stream_that_has_begun_ends_with_an_event() -> None:
    failure = Failure(FailureReason.WORKER_FAILED, "the worker has closed the connection")
    openai, platform = (stream_event(failure, family) for family in (Family.OPENAI, Family.PLATFORM))

    assert openai.startswith(b'data: {"error":')
    assert platform.startswith(b"event: error\ndata: {")
    assert openai.endswith(b"\n\n")
    assert platform.endswith(b"\n\n")
