"""The examples of the documents become what these say."""

from __future__ import annotations

import pytest
import yaml

from model_operator.api import ModelInstance, ModelTemplate
from model_operator.core.rendering.render import render
from model_operator.core.templates.compile import compile_template
from tests.docs.blocks import blocks, documents
from tests.docs.examples import INSTANCE, TEMPLATE, Example, examples, overlaid, rendered

TEXTS = {path.name: path.read_text(encoding="utf-8") for path in documents()}
EXAMPLES = [
    pytest.param(example, id=f"{name}: {title}")
    for name, text in TEXTS.items()
    for title, example in examples(text).items()
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_example(example: Example) -> None:
    compiled = compile_template(ModelTemplate.model_validate(overlaid(TEMPLATE, example.template)))
    if example.instance is None and example.is_text:
        assert [str(violation) for violation in compiled.violations] == example.result.splitlines()
        return
    assert compiled.violations == ()

    instance = ModelInstance.model_validate(overlaid(INSTANCE, example.instance or {}))
    rendering = render(compiled, instance)

    if example.is_text:
        assert [str(violation) for violation in rendering.violations] == example.result.splitlines()
        return
    assert rendering.violations == ()
    expected = yaml.safe_load(example.result)
    assert rendered(rendering, expected) == expected


@pytest.mark.parametrize("name", TEXTS)
def test_every_example_has_a_result_of_its_name_behind_it(name: str) -> None:
    marks = [block.mark for block in blocks(TEXTS[name]) if block.kind in {"example", "result"}]

    assert marks[1::2] == [mark.replace("example", "result", 1) for mark in marks[::2]]
    assert len(set(marks)) == len(marks)


def test_the_guides_are_made_of_examples() -> None:
    assert len(examples(TEXTS["parameters.md"])) > 10
    assert len(examples(TEXTS["templates.md"])) > 5
