"""Instances that name a template that is not shared: to their authors it is as if it were not there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from model_operator.controller.webhooks import template_reader
from tests.examples.objects import instance, template
from tests.examples.reviews import FakeServer, admission, ask, review, stored

ELSEWHERE = {"from": "Selected", "names": ["elsewhere"]}


def namespaced(allowed: Any) -> dict[str, Any]:
    """Return a template of another namespace."""
    obj = stored(template(), "platform")
    return {**obj, "spec": {**obj["spec"], **({"allowed_namespaces": allowed} if allowed else {})}}


def of_cluster(allowed: Any) -> dict[str, Any]:
    """Return a template of the cluster."""
    obj = namespaced(allowed)
    metadata = {name: value for name, value in obj["metadata"].items() if name != "namespace"}
    return {**obj, "kind": "ClusterModelTemplate", "metadata": metadata}


NAMED = {"model_template_namespace": "platform"}
CASES = [
    pytest.param(namespaced(None), NAMED, id="of another namespace, by default"),
    pytest.param(namespaced(ELSEWHERE), NAMED, id="of another namespace"),
    pytest.param(of_cluster(ELSEWHERE), {}, id="of the cluster"),
    pytest.param(of_cluster(ELSEWHERE), {"model_template_kind": "ClusterModelTemplate"}, id="by its kind"),
]


async def answer(spec: dict[str, Any], *there: dict[str, Any], cached: bool) -> tuple[str, list[str]]:
    """Return the response to an instance that does not fit the template, and what was read for it."""
    server = FakeServer()
    for obj in there:
        server.put(obj)
    written = stored(instance(model_creation_parameters={"MODEL_NAME": 5}, **spec))
    response = await ask(admission(server, *(there if cached else ())), review(written))
    return json.dumps(response, sort_keys=True), server.asked


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize(("there", "spec"), CASES)
async def test_the_answer_and_the_work_for_it_are_the_same(
    there: dict[str, Any], spec: dict[str, Any], cached: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = await answer(spec, cached=cached)
    assert "or it is not shared with this namespace" in expected[0]

    def compile_it(*_: Any) -> None:
        raise AssertionError("it takes time to compile a template")

    monkeypatch.setattr(template_reader, "parse_template", compile_it)
    assert await answer(spec, there, cached=cached) == expected


async def test_a_grant_that_the_cache_does_not_know_yet_counts() -> None:
    response, asked = await answer(NAMED, namespaced({"from": "All"}), cached=False)
    assert "MODEL_NAME" in response
    assert asked == ["modeltemplates/platform/encoder"]
