"""Bodies of requests about deployments."""

from __future__ import annotations

import json
from typing import Any

import pytest

from model_operator.core.gateway.failures import Failure
from model_operator.core.gateway.rest.deployment_requests import read_deployment_patch, read_new_deployment
from tests.unit.core.gateway.rest.deployed_models import faults_of


def body(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def test_what_is_sent_becomes_an_entry() -> None:
    new = read_new_deployment(
        body(
            name="Blue (GPU)",
            model_creation_parameters={"BATCH": 4, "NOTE": None},
            vendor_configuration={"vendor": "LAUNCH", "min_workers": 2, "max_workers": 3, "per_worker": None},
            deployment_metadata={"owner": "search"},
            later_field=[1],
        )
    )
    assert new.entry() == {
        "name": "blue-gpu",
        # A null is left out of the request alone, never of what the user's own object holds.
        "model_creation_parameters": {"BATCH": 4, "NOTE": None},
        "vendor_configuration": {"min_workers": 2, "max_workers": 3},
        "deployment_metadata": {"owner": "search"},
    }


def test_what_is_left_out_or_null_is_not_in_the_entry() -> None:
    new = read_new_deployment(
        body(
            name="blue",
            model_creation_parameters=None,
            vendor_configuration={"vendor": "LAUNCH"},
            deployment_metadata=None,
            account_id=None,
            wait_for_ready=None,
        )
    )
    assert new.entry() == {"name": "blue"}
    assert new.wait_for_ready is False


def test_waits_only_when_the_body_says_so() -> None:
    assert read_new_deployment(body(name="blue")).wait_for_ready is False
    assert read_new_deployment(body(name="blue", wait_for_ready=True)).wait_for_ready is True


@pytest.mark.parametrize(
    ("fields", "faults"),
    [
        ({}, [("body.name", "missing")]),
        ({"name": None}, [("body.name", "string_type")]),
        ({"name": 7}, [("body.name", "string_type")]),
        ({"name": ""}, [("body.name", "string_too_short")]),
        ({"name": "模型"}, [("body.name", "object_name")]),
        ({"name": "b", "wait_for_ready": "yes"}, [("body.wait_for_ready", "bool_type")]),
        ({"name": "b", "model_creation_parameters": []}, [("body.model_creation_parameters", "dict_type")]),
        ({"name": "b", "deployment_metadata": "x"}, [("body.deployment_metadata", "dict_type")]),
        (
            {"vendor_configuration": {"min_workers": "2", "per_worker": 0, "max_workers": -1}, "name": []},
            [
                ("body.name", "string_type"),
                ("body.vendor_configuration.min_workers", "int_type"),
                ("body.vendor_configuration.max_workers", "greater_than_equal"),
                ("body.vendor_configuration.per_worker", "greater_than_equal"),
            ],
        ),
        (
            {"name": "b", "vendor_configuration": {"min_workers": 3, "max_workers": 2}},
            [("body.vendor_configuration.max_workers", "rule")],
        ),
        (
            {"name": "b", "vendor_configuration": {"vendor": "OTHER"}},
            [("body.vendor_configuration.vendor", "literal_error")],
        ),
        (
            {"name": "b", "vendor_configuration": {"vendor": "LLMENGINE", "num_shards": 4, "gpu_type": None}},
            [
                ("body.vendor_configuration.vendor", "unsupported"),
                ("body.vendor_configuration.num_shards", "unsupported"),
            ],
        ),
        (
            {"name": "b", "vendor_configuration": {"cpus": 3}},
            [("body.vendor_configuration.cpus", "unsupported")],
        ),
    ],
)
def test_bad_bodies(fields: dict[str, Any], faults: list[tuple[str, str]]) -> None:
    with pytest.raises(Failure) as caught:
        read_new_deployment(body(**fields))
    assert faults_of(caught.value) == faults


def test_a_patch_has_the_keys_that_were_sent() -> None:
    assert read_deployment_patch(body()) == {}
    assert read_deployment_patch(body(unknown=1)) == {}
    assert read_deployment_patch(
        body(model_creation_parameters=None, vendor_configuration={"max_workers": 3, "min_workers": None})
    ) == {"model_creation_parameters": None, "vendor_configuration": {"max_workers": 3}}
    assert read_deployment_patch(body(vendor_configuration=None, wait_for_ready=True)) == {
        "vendor_configuration": None,
        "wait_for_ready": True,
    }


@pytest.mark.parametrize(
    ("fields", "faults"),
    [
        ({"name": None}, [("body.name", "string_type")]),
        ({"model_creation_parameters": "x"}, [("body.model_creation_parameters", "dict_type")]),
        (
            {"vendor_configuration": {"vendor": "LLMENGINE", "min_workers": 1.5}},
            [
                ("body.vendor_configuration.min_workers", "int_type"),
                ("body.vendor_configuration.vendor", "unsupported"),
            ],
        ),
    ],
)
def test_bad_patches(fields: dict[str, Any], faults: list[tuple[str, str]]) -> None:
    with pytest.raises(Failure) as caught:
        read_deployment_patch(body(**fields))
    assert faults_of(caught.value) == faults
