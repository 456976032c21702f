"""The reviews of the benchmark are as varied as those of a cluster."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.webhook import OWN_SCHEMA, kinds

NUMBERS = range(1, 41)
KINDS = {name: make for name, _, make in kinds()}


def _objects(name: str) -> list[dict[str, Any]]:
    bodies = [KINDS[name](number).partition(b"\r\n\r\n")[2] for number in NUMBERS]
    return [json.loads(body)["request"] for body in bodies]


@pytest.mark.parametrize("name", KINDS)
def test_no_two_reviews_are_of_the_same_object(name: str) -> None:
    requests = _objects(name)
    for field in ("uid", "name"):
        assert len({request[field] for request in requests}) == len(NUMBERS)
    assert all(request["name"] == request["object"]["metadata"]["name"] for request in requests)


def test_no_two_instances_have_the_same_parameters() -> None:
    specs = [request["object"]["spec"] for request in _objects("instance, 12 parameters")]
    assert len({json.dumps(spec["model_creation_parameters"]) for spec in specs}) == len(NUMBERS)
    assert all(len(spec["model_creation_parameters"]) == 12 for spec in specs)


def test_no_two_templates_are_the_same_and_some_have_a_schema_of_their_own() -> None:
    specs = [request["object"]["spec"] for request in _objects("template")]
    assert len({json.dumps(spec) for spec in specs}) == len(NUMBERS)
    schemas = {json.dumps(spec["model_creation_parameters_schema"]) for spec in specs}
    assert len(schemas) == 1 + len(NUMBERS) // OWN_SCHEMA
