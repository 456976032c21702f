"""Requests that create templates, the objects that they become, and the answers about these."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scale_gp._models import validate_type
from scale_gp.types.model_template import ModelTemplate

from model_operator.core.gateway.failures import Failure
from model_operator.core.gateway.rest.template_answers import template_answer
from model_operator.core.gateway.rest.template_requests import NewTemplate, read_new_template
from model_operator.core.gateway.rest.template_specs import new_template, template_faults
from model_operator.core.templates.parsing import parse_template
from tests.unit.core.gateway.rest.deployed_models import CREATED, faults_of, template

SAMPLES = Path(__file__).parents[5] / "manifests" / "samples"
BUNDLE = {"registry": "registry.test", "image": "encoder", "tag": "v1"}


def body(bundle: Any = None, endpoint: Any = None, **fields: Any) -> dict[str, Any]:
    return {
        "name": "Encoder v1",
        "account_id": "acc-1",
        "endpoint_type": "SYNC",
        "model_type": "EMBEDDING",
        "vendor_configuration": {
            "bundle_config": {**BUNDLE, **(bundle or {})},
            **({} if endpoint is None else {"endpoint_config": endpoint}),
        },
        **fields,
    }


def read(sent: Any) -> NewTemplate:
    return read_new_template(json.dumps(sent).encode())


def created(sent: dict[str, Any]) -> dict[str, Any]:
    """Give what the API server answers to the create of a request's object."""
    obj = new_template(read(sent), "team-a", sent["account_id"], "ada@example.com")
    obj["metadata"] |= {"uid": "0d9f6b1c-0000-4000-8000-000000000001", "creationTimestamp": CREATED}
    return obj


def strict(answer: dict[str, Any]) -> dict[str, Any]:
    """Read an answer as the client does with ``_strict_response_validation``, and give it back."""
    assert isinstance(validate_type(type_=ModelTemplate, value=deepcopy(answer)), ModelTemplate)
    return answer


def test_a_template_has_what_was_sent() -> None:
    sent = body(
        {"command": ["serve"], "env": {"A": "1"}, "streaming_command": None, "digest": None},
        {"cpus": 2, "gpu_type": None, "min_workers": 1, "endpoint_type": "ASYNC", "later_field": 1},
        endpoint_protocol="VLLM",
        model_request_parameters_schema=None,
        model_creation_parameters_schema={
            "parameters": [{"name": "A", "type": "str", "description": "", "required": True, "x": 1}]
        },
        later_field=1,
    )
    assert new_template(read(sent), "team-a", "acc-1", "system:serviceaccount:ci:bot") == {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": "ModelTemplate",
        "metadata": {
            "name": "encoder-v1",
            "namespace": "team-a",
            "labels": {"app.kubernetes.io/managed-by": "model-operator-rest"},
            "annotations": {
                "modeloperator.dev/created-by-user-id": "system:serviceaccount:ci:bot",
                "modeloperator.dev/created-by-identity-type": "service_account",
            },
        },
        "spec": {
            "name": "Encoder v1",
            "account_id": "acc-1",
            "endpoint_type": "SYNC",
            "model_type": "EMBEDDING",
            "endpoint_protocol": "VLLM",
            "vendor_configuration": {
                "vendor": "LAUNCH",
                "bundle_config": {
                    **BUNDLE,
                    "command": ["serve"],
                    "env": {"A": "1"},
                    "predict_route": "/predict",
                },
                "endpoint_config": {"cpus": 2, "min_workers": 1, "per_worker": 10},
            },
            "model_creation_parameters_schema": {
                "parameters": [{"name": "A", "type": "str", "description": "", "required": True}]
            },
        },
    }


def test_names_that_are_names_are_kept() -> None:
    obj = new_template(read(body(name="0-encoder--1", account_id="team-a")), "team-a", "team-a", "ada")
    assert obj["metadata"]["name"] == "0-encoder--1"
    assert obj["spec"].keys().isdisjoint({"name", "account_id"})


def test_a_digest_stands_for_the_tag() -> None:
    digest = f"sha256:{'a' * 64}"
    for tag in ({}, {"tag": None}, {"tag": ""}):
        sent = body({"digest": digest})
        del sent["vendor_configuration"]["bundle_config"]["tag"]
        sent["vendor_configuration"]["bundle_config"] |= tag
        obj = created(sent)
        assert "tag" not in obj["spec"]["vendor_configuration"]["bundle_config"]
        assert template_faults(obj, sent) == ()
        shown = strict(template_answer(obj, "acc-1"))["vendor_configuration"]["bundle_config"]
        assert (shown["tag"], shown["digest"]) == ("", digest)


@pytest.mark.parametrize(
    ("sent", "faults"),
    [
        (
            {},
            [
                ("body.name", "missing"),
                ("body.endpoint_type", "missing"),
                ("body.model_type", "missing"),
                ("body.vendor_configuration", "missing"),
                ("body.account_id", "missing"),
            ],
        ),
        (body(name="模型"), [("body.name", "object_name")]),
        (body(name=None), [("body.name", "string_type")]),
        (
            body(endpoint_type="HTTP", model_type=1),
            [("body.endpoint_type", "enum"), ("body.model_type", "enum")],
        ),
        (
            {**body(), "vendor_configuration": {"bundle_config": {"image": 1}}},
            [
                ("body.vendor_configuration.bundle_config.registry", "missing"),
                ("body.vendor_configuration.bundle_config.image", "string_type"),
                ("body.vendor_configuration.bundle_config.tag", "missing"),
            ],
        ),
        (
            body(endpoint={"cpus": 1.5, "min_workers": "1", "gpus": -1}),
            [
                ("body.vendor_configuration.endpoint_config.cpus", "int_or_string"),
                ("body.vendor_configuration.endpoint_config.gpus", "rule"),
                ("body.vendor_configuration.endpoint_config.min_workers", "int_type"),
            ],
        ),
        (
            body(endpoint={"min_workers": 0, "max_workers": 1}),
            [("body.vendor_configuration.endpoint_config.min_workers", "rule")],
        ),
        (
            body(model_creation_parameters_schema={"parameters": [{"name": "A", "type": "string"}]}),
            [
                ("body.model_creation_parameters_schema.parameters.0.type", "literal_error"),
                ("body.model_creation_parameters_schema.parameters.0.description", "missing"),
                ("body.model_creation_parameters_schema.parameters.0.required", "missing"),
            ],
        ),
        (
            body(model_request_parameters_schema={"type": "object"}),
            [("body.model_request_parameters_schema.parameters", "missing")],
        ),
        (
            {
                **body(),
                "vendor_configuration": {
                    "vendor": "OTHER",
                    "bundle_config": BUNDLE,
                    "fine_tuning_job_bundle_config": BUNDLE,
                },
            },
            [
                ("body.vendor_configuration.vendor", "literal_error"),
                ("body.vendor_configuration.fine_tuning_job_bundle_config", "unsupported"),
            ],
        ),
    ],
)
def test_bad_bodies(sent: dict[str, Any], faults: list[tuple[str, str]]) -> None:
    with pytest.raises(Failure) as caught:
        read(sent)
    assert faults_of(caught.value) == faults


def test_what_only_the_whole_template_shows_is_found_before_it_is_written() -> None:
    parameter = {"name": "A", "type": "str", "description": "", "required": True}
    sent = body(
        {"command": ["serve", "$(parameters.B)"]},
        model_type="BUNDLE",
        model_creation_parameters_schema={"parameters": [parameter, parameter]},
    )
    with pytest.raises(Failure) as caught:
        read(sent)
    assert faults_of(caught.value) == [("body.model_type", "rule")]
    sent["model_type"] = "GENERIC"
    (entry,) = template_faults(created(sent), sent)
    assert entry.loc == ("body", "model_creation_parameters_schema", "parameters", 1, "name")
    assert entry.input == "A"
    sent["model_creation_parameters_schema"] = {"parameters": [parameter]}
    (entry,) = template_faults(created(sent), sent)
    assert entry.loc == ("body", "vendor_configuration", "bundle_config", "command", 1)


def test_an_answer() -> None:
    answer = strict(
        template_answer(
            template(
                {"cpus": "500m", "memory": 1024, "gpus": "$(parameters.BATCH)", "gpu_type": "nvidia-l4"},
                name="Encoder",
                endpoint_protocol="TEI",
            ),
            "*",
        )
    )
    assert answer == {
        "id": "0d9f6b1c-0000-4000-8000-000000000001",
        "name": "Encoder",
        "account_id": "*",
        "created_at": CREATED,
        "created_by_user_id": "unknown",
        "created_by_identity_type": "user",
        "endpoint_type": "SYNC",
        "model_type": "EMBEDDING",
        "as_written": {"endpoint_protocol": "TEI"},
        "vendor_configuration": {
            "vendor": "LAUNCH",
            "bundle_config": {**BUNDLE, "command": [], "env": {}, "predict_route": "/predict"},
            "endpoint_config": {
                "memory": "1024",
                "min_workers": 1,
                "max_workers": 1,
                "per_worker": 10,
                "high_priority": False,
                "as_written": {
                    "cpus": "500m",
                    "gpus": "$(parameters.BATCH)",
                    "gpu_type": "nvidia-l4",
                },
            },
        },
        "model_creation_parameters_schema": template()["spec"]["model_creation_parameters_schema"],
    }


@pytest.mark.parametrize(
    ("cpus", "shown"), [(3, 3), ("2", 2), ("2000m", 2), ("2500m", None), ("2.5", None), ("2e3", None)]
)
def test_cpus(cpus: Any, shown: int | None) -> None:
    config = strict(template_answer(template({"cpus": cpus}), "a"))["vendor_configuration"]["endpoint_config"]
    assert config.get("cpus") == shown
    assert config.get("as_written") == (None if shown is not None else {"cpus": cpus})


def test_the_maximum_of_an_external_autoscaler_is_not_known() -> None:
    answer = strict(template_answer(template({"autoscaler": "EXTERNAL"}), "a"))
    assert "max_workers" not in answer["vendor_configuration"]["endpoint_config"]


def test_the_platform_has_one_name_for_openai() -> None:
    answer = strict(template_answer(template(endpoint_protocol="OPENAI"), "a"))
    assert answer["endpoint_protocol"] == "VLLM"
    assert answer["as_written"] == {"endpoint_protocol": "OPENAI"}
    assert "as_written" not in strict(template_answer(template(endpoint_protocol="COHERE"), "a"))


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.yaml")), ids=lambda path: str(path.stem))
def test_the_samples_are_shown(path: Path) -> None:
    for obj in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        if str(obj["kind"]).endswith("ModelTemplate"):
            obj["metadata"] |= {"uid": "u", "creationTimestamp": CREATED}
            answer = strict(template_answer(obj, "a"))
            assert answer["name"] == obj["spec"].get("name", obj["metadata"]["name"])


_TEXTS = st.text("abc/-", min_size=1, max_size=8)
_PARAMETERS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.text("ABC", min_size=1, max_size=3),
            "type": st.sampled_from(["str", "int", "float", "bool"]),
            "description": _TEXTS,
            "required": st.booleans(),
        }
    ),
    max_size=4,
    unique_by=lambda entry: str(entry["name"]),
)
_SENT = st.builds(
    body,
    st.fixed_dictionaries(
        {},
        optional={
            "command": st.lists(_TEXTS, max_size=3),
            "env": st.dictionaries(st.text("AB", min_size=1, max_size=2), _TEXTS, max_size=2),
            "healthcheck_route": st.just("/healthz"),
            "readiness_initial_delay_seconds": st.integers(0, 9),
            "args": st.lists(_TEXTS, max_size=2),
        },
    ),
    st.none()
    | st.fixed_dictionaries(
        {},
        optional={
            "cpus": st.integers(1, 9),
            "memory": st.just("4Gi"),
            "gpus": st.just(1),
            "max_workers": st.integers(1, 5),
            "per_worker": st.integers(1, 5),
            "high_priority": st.booleans(),
        },
    ),
    endpoint_protocol=st.sampled_from(["SGP", "COHERE", "VLLM"]),
    endpoint_type=st.sampled_from(["SYNC", "STREAMING", "ASYNC", "BATCH"]),
    model_creation_parameters_schema=st.none() | st.builds(lambda each: {"parameters": each}, _PARAMETERS),
)


@given(_SENT)
def test_an_answer_has_all_that_was_sent(sent: dict[str, Any]) -> None:
    obj = created(sent)
    assert template_faults(obj, sent) == ()
    assert parse_template(obj).violations == ()
    answer = strict(template_answer(obj, "acc-1"))
    assert contains(answer, sent), answer
    # So it can be created again from its answer.
    assert contains(template_answer(created(answer), "acc-1"), sent)


def contains(value: Any, part: Any) -> bool:
    if isinstance(part, dict):
        return isinstance(value, dict) and all(
            each is None or (key in value and contains(value[key], each)) for key, each in part.items()
        )
    return bool(value == part)


def test_a_rule_of_the_api_says_its_text_once() -> None:
    body = {"vendor_configuration": {"bundle_config": {"registry": "https://x/", "image": "a", "tag": "1"}}}
    with pytest.raises(Failure) as wrong:
        read_new_template(json.dumps(body).encode())
    (found,) = [each.to_dict() for each in wrong.value.entries if each.loc[-1] == "registry"]
    assert found["type"] == "rule"
    assert found["input"] == "https://x/"
    assert "ctx" not in found
