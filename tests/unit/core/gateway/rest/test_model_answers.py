"""A ModelInstance as the platform's response."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.gateway.rest.instance_specs import new_instance
from model_operator.core.gateway.rest.model_answers import model_answer
from model_operator.core.gateway.rest.model_requests import NewModel, field_value
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_template
from tests.examples.objects import instance, template

REQUIRED = {
    "id",
    "name",
    "model_type",
    "account_id",
    "created_at",
    "created_by_user_id",
    "created_by_identity_type",
    "request_schema",
    "response_schema",
    "deployment_count",
    "supports_multi_turn",
}
REPORTED = {
    "observedGeneration": 1,
    "created_by_user_id": "ann",
    "created_by_identity_type": "user",
    "request_schema": {"type": "object"},
    "response_schema": {},
    "supports_multi_turn": True,
}


def live(*, status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    obj = instance(**spec)
    obj["metadata"] |= {
        "namespace": "team-a",
        "uid": "u-1",
        "generation": 1,
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    return obj if status is None else obj | {"status": status}


def compiled(**spec: Any) -> CompiledTemplate:
    obj = template()
    obj["metadata"] |= {"namespace": "team-a", "uid": "t"}
    obj["spec"] |= spec
    return parse_template(obj)


def test_an_object_that_no_operator_and_no_webhook_has_seen() -> None:
    answer = model_answer(live(), "acme", compiled())
    assert answer == {
        "id": "u-1",
        "name": "minilm",
        "model_type": "EMBEDDING",
        "account_id": "acme",
        "created_at": "2026-01-01T00:00:00Z",
        "created_by_user_id": "unknown",
        "created_by_identity_type": "user",
        **compiled().contracts,
        "deployment_count": 1,
        "model_template_id": "encoder",
        "model_creation_parameters": {"MODEL_NAME": "all-MiniLM-L6-v2"},
    }
    assert answer.keys() >= REQUIRED


def test_what_the_operator_reported_of_this_generation_is_answered() -> None:
    assert model_answer(live(status=REPORTED), "a", compiled())["request_schema"] == {"type": "object"}
    newer = live(status=REPORTED | {"observedGeneration": 0})
    assert model_answer(newer, "a", compiled())["request_schema"] == compiled().contracts["request_schema"]
    assert model_answer(newer, "a", None)["request_schema"] == {"type": "object"}


@pytest.mark.parametrize(
    ("annotations", "status", "creator"),
    [
        ({}, {}, ("unknown", "user")),
        ({"user-id": "ann", "identity-type": "user"}, {}, ("ann", "user")),
        ({"user-id": "ann"}, {}, ("ann", "user")),
        ({"user-id": "ann", "identity-type": "robot"}, {}, ("ann", "user")),
        ({"user-id": "system:serviceaccount:a:b"}, {}, ("system:serviceaccount:a:b", "service_account")),
        ({"user-id": "eve"}, REPORTED, ("ann", "user")),
    ],
)
def test_the_creator_has_a_name_and_a_type(
    annotations: dict[str, str], status: dict[str, Any], creator: tuple[str, str]
) -> None:
    obj = live(status=status)
    obj["metadata"]["annotations"] = {
        f"modeloperator.dev/created-by-{name}": value for name, value in annotations.items()
    }
    answer = model_answer(obj, "a", None)
    assert (answer["created_by_user_id"], answer["created_by_identity_type"]) == creator


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        ({}, 1),
        ({"deployments": []}, 0),
        ({"deployments": [{"name": "a"}, {"name": "b"}]}, 2),
        ({"model_template_id": None, "model_vendor": "OPENAI"}, 0),
    ],
)
def test_deployments_are_counted(spec: dict[str, Any], count: int) -> None:
    assert model_answer(live(**spec), "a", None)["deployment_count"] == count


def test_the_type_of_a_model_is_known_without_its_template() -> None:
    serving = {"deployments": [{"name": "minilm"}, {"name": "b", "serving": {"model_type": "AGENT"}}]}
    assert model_answer(live(status=serving), "a", None)["model_type"] == "AGENT"
    assert model_answer(live(), "a", None)["model_type"] == "GENERIC"
    assert model_answer(live(model_type="RERANKING"), "a", compiled())["model_type"] == "RERANKING"


def test_a_template_that_is_not_valid_is_not_read() -> None:
    broken = compiled(model_creation_parameters_schema={"type": "string"})
    assert broken.violations
    assert model_answer(live(status=REPORTED), "a", broken)["request_schema"] == {"type": "object"}
    assert model_answer(live(), "a", broken).keys() >= REQUIRED


TEXT = st.none() | st.text(max_size=5)
REQUESTS = st.builds(
    NewModel,
    name=st.text(alphabet="aB c-", min_size=1, max_size=8).filter(lambda name: any(c in "aBc" for c in name)),
    model_type=st.sampled_from(["COMPLETION", "AGENT", "EMBEDDING"]),
    account_id=st.just("team-a"),
    model_vendor=st.sampled_from([None, "OPENAI", "LAUNCH"]),
    display_name=TEXT,
    base_model_id=TEXT,
    model_card=TEXT,
    training_data_card=TEXT,
    description=TEXT,
    model_group_id=TEXT,
    model_template_id=st.none() | st.just("encoder"),
    model_creation_parameters=st.none() | st.dictionaries(st.text(max_size=3), st.none() | st.integers()),
    base_model_metadata=st.none()
    | st.fixed_dictionaries(
        {}, optional={"model_developer": TEXT, "modelDetails": st.just({"languages": 2})}
    ),
)


@given(REQUESTS)
def test_what_was_sent_is_answered(request: NewModel) -> None:
    obj = new_instance(request, "team-a", request.account_id, "ann")
    obj["metadata"] |= {"uid": "u-1", "creationTimestamp": "2026-01-01T00:00:00Z", "generation": 1}
    answer = model_answer(obj, "team-a", None)
    for name in NewModel.model_fields:
        value = field_value(request, name)
        assert (name in answer) is (value is not None)
        assert answer.get(name) == value
    assert answer.keys() >= REQUIRED
