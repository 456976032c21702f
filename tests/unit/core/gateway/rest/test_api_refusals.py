"""What the API server refuses, as the platform's API says it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.gateway.apis import Family
from model_operator.core.gateway.failures import response_of
from model_operator.core.gateway.rest.api_refusals import body_loc, refusal

CASES = yaml.safe_load((Path(__file__).parent / "api_refusals.yaml").read_text())


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_refusal_is_answered(case: dict[str, Any]) -> None:
    failure = refusal(case["code"], case["status"], case.get("body"), retry_after=case.get("retry_after", ""))
    response = response_of(failure, Family.PLATFORM)

    assert response.status == case["answer"]["status"]
    detail = json.loads(response.body)["detail"]
    assert detail == case["answer"]["detail"]
    headers = {"Retry-After", "x-should-retry"} & response.headers.keys()
    assert {name: response.headers[name] for name in headers} == case["answer"].get("headers", {})


def test_fields_may_be_elsewhere_in_the_request() -> None:
    cause = {"reason": "FieldValueInvalid", "field": "spec.deployments[1].name", "message": "is long"}
    status = {"reason": "Invalid", "details": {"causes": [cause]}}
    failure = refusal(422, status, {"name": "x"}, lambda path: ("body", *path[3:]))
    assert [entry.to_dict() for entry in failure.entries] == [
        {"loc": ["body", "name"], "msg": "is long", "type": "value_error", "input": "x"}
    ]


@pytest.mark.parametrize(
    ("path", "loc"),
    [
        (("spec", "name"), ("body", "name")),
        (("spec", "a", 0, "b"), ("body", "a", 0, "b")),
        (("metadata", "name"), ("body", "name")),
        (("spec",), None),
        (("metadata", "labels"), None),
        (("status", "x"), None),
        ((), None),
    ],
)
def test_where_the_body_has_a_field(path: Any, loc: Any) -> None:
    assert body_loc(path) == loc


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["details", "causes", "field", "message", "reason", "retryAfterSeconds", "kind"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.integers(100, 999), JSON.filter(lambda value: isinstance(value, dict)), st.text(max_size=5))
def test_whatever_the_api_server_sends_is_a_failure(code: int, status: Any, retry_after: str) -> None:
    response = response_of(refusal(code, status, {"x": 1}, retry_after=retry_after), Family.PLATFORM)
    assert 400 <= response.status <= 599
    assert json.loads(response.body)["detail"]
    if 400 <= code <= 599:
        assert response.status == code
