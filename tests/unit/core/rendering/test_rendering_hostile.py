"""Templates and instances made to hang the operator or fill its memory: refused or rendered within bounds.

As in `tests.unit.core.parameters.test_parameter_hostile`, calls are counted: a busy machine
changes nothing. ``make bench-hostile`` shows the times.
"""

from __future__ import annotations

import json

import pytest

from model_operator.api import ModelInstance, ModelTemplate
from model_operator.core.rendering.render import render
from model_operator.core.templates.compile import CompiledTemplate, compile_template
from model_operator.core.templates.references import parse_text
from tests.examples.hostile_models import INSTANCES, TEMPLATES, TEXT, instance, template
from tests.work import bounded_calls

MOST_CALLS = 1_000_000


@pytest.mark.parametrize(("hostile", "codes"), TEMPLATES.values(), ids=TEMPLATES)
def test_template_is_read_in_bounds(hostile: ModelTemplate, codes: set[str]) -> None:
    with bounded_calls(MOST_CALLS):
        compiled = compile_template(hostile)

    assert {violation.type for violation in compiled.violations} == codes


@pytest.mark.parametrize(("compiled", "hostile", "codes"), INSTANCES.values(), ids=INSTANCES)
def test_instance_is_rendered_in_bounds(
    compiled: CompiledTemplate, hostile: ModelInstance, codes: set[str]
) -> None:
    assert compiled.violations == ()

    with bounded_calls(MOST_CALLS):
        rendering = render(compiled, hostile)

    assert {violation.type for violation in rendering.violations} == codes
    for child in rendering.children:
        assert len(json.dumps(child.manifest)) < 1024 * 1024


def test_what_is_too_large_is_told_where_it_is_given() -> None:
    compiled = compile_template(template(TEXT, args=["$(parameters.a)"] * 100))

    rendering = render(compiled, instance("short", "short", "x" * 30_000))

    assert [violation.to_dict() for violation in rendering.violations] == [
        {
            "loc": ["spec", "deployments", 1, "model_creation_parameters"],
            "msg": (
                "must add at most 512 KiB to the pod, each value counted wherever the template uses it; "
                "give shorter values"
            ),
            "type": "too_large",
        }
    ]


@pytest.mark.parametrize(
    "text", ["$(" * 30_000, "$" * 60_000 + "x$(a)", "$$(" * 20_000, "$$$(" * 15_000 + ")"]
)
def test_text_is_read_in_linear_time(text: str) -> None:
    with bounded_calls(MOST_CALLS):
        assert parse_text(text, kubelet=True).parts == (text,)
