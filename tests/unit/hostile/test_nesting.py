"""The bound on nesting is the documented one, with one message, wherever an object is judged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hack.kubernetes_schemas import packaged
from model_operator.core.objects.kept_form import INFORMATIONAL_LIMITS, SPEC_LIMITS, kept_form, known_faults
from model_operator.core.offline.checking import Checker
from model_operator.core.offline.collection import collect
from model_operator.core.offline.documents import read_documents
from model_operator.core.offline.kubernetes_schemas import KubernetesSchemas
from model_operator.core.parameters.schema import parse_parameter_schema
from model_operator.core.templates.pod_shape import POD_TEMPLATE_LIMITS, check_pod_template
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.values.limits import VALUE_LIMITS
from model_operator.core.values.violations import InvalidObjectError
from tests.examples.objects import instance, template
from tests.examples.reviews import FakeServer, admission, ask, review, stored


def nested(levels: int, innermost: Any) -> Any:
    """Give objects within one another; the innermost holds a value."""
    value = innermost
    for _ in range(levels):
        value = {"a": value}
    return value


DEPTH = INFORMATIONAL_LIMITS.depth
PATH = "spec.deployments[0].deployment_metadata"


async def messages(value: Any) -> tuple[str, str, str]:
    """Give what the webhook, ``validate`` and the reconciler say of the metadata of a deployment."""
    obj = instance(deployments=[{"name": "a", "deployment_metadata": value}])
    server = FakeServer()
    server.put(stored(template()))
    response = await ask(admission(server, stored(template())), review(stored(obj)))
    texts = [json.dumps(each) for each in (template(), obj)]
    documents = [each for text in texts for each in read_documents(text, "f.yaml")]
    findings = Checker(collect(documents), RenderSettings(), KubernetesSchemas(packaged())).findings()
    faults = known_faults(kept_form(stored(obj)))
    return (
        response.get("status", {}).get("message", ""),
        "; ".join(f"{each.path}: {each.message}" for each in findings),
        "; ".join(map(str, faults)),
    )


@pytest.mark.parametrize("innermost", [1, "text", None])
async def test_as_many_levels_as_documented_get_in(innermost: Any) -> None:
    for text in await messages(nested(DEPTH, innermost)):
        assert "levels" not in text


@pytest.mark.parametrize("levels", [1, 80, 140, 900])
async def test_one_level_more_is_refused_everywhere_with_one_message(levels: int) -> None:
    for value in (nested(DEPTH + levels, 1), nested(DEPTH + levels - 1, [])):
        for text in await messages(value):
            assert PATH in text
            assert f"must be nested at most {DEPTH} levels deep, got more" in text


def test_a_default_has_as_many_levels_as_a_value_that_is_set() -> None:
    def schema(levels: int) -> dict[str, Any]:
        return {"properties": {"A": {"type": "object", "default": nested(levels, 1)}}}

    parse_parameter_schema(schema(VALUE_LIMITS.depth), ())
    with pytest.raises(InvalidObjectError, match=f"at most {VALUE_LIMITS.depth} levels"):
        parse_parameter_schema(schema(VALUE_LIMITS.depth + 1), ())


def test_a_pod_template_and_a_specification_too() -> None:
    most = POD_TEMPLATE_LIMITS.depth
    assert check_pod_template(nested(most, 1), ()) == ()
    assert [each.type for each in check_pod_template(nested(most + 1, 1), ())] == ["too_deep"]

    for levels, codes in ((SPEC_LIMITS.depth, []), (SPEC_LIMITS.depth + 1, ["too_deep"])):
        obj = template()
        obj["spec"] = nested(levels, 1)
        assert [each.type for each in known_faults(kept_form(stored(obj)))] == codes
