"""Values of parameters are left out of what others say."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import yaml
from hypothesis import assume, example, given
from hypothesis import strategies as st

from model_operator.api import ModelInstance
from model_operator.core.reasons.refusals import explain_refusal
from model_operator.core.status.redaction import Redactor
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_template
from tests.examples.objects import instance, template

CASES = yaml.safe_load(Path(__file__).with_name("undisclosed.yaml").read_text())


def compiled() -> CompiledTemplate:
    obj = template()
    properties = obj["spec"]["model_creation_parameters_schema"]["properties"]
    properties |= {"MODE": {"enum": ["fast", "accurate"]}, "HF_TOKEN": {"x-secret-ref": True}}
    found = parse_template({**obj, "metadata": {**obj["metadata"], "uid": "1", "generation": 1}})
    assert found.violations == ()
    return found


def values(parameters: Any, deployments: Any = None, *, known: bool = True) -> Redactor:
    obj = instance(model_creation_parameters=parameters)
    if deployments:
        obj["spec"]["deployments"] = deployments
    obj["metadata"] |= {"uid": "2", "namespace": "default"}
    return Redactor(ModelInstance.model_validate(obj), *([compiled()] if known else []))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_words_of_others(case: dict[str, Any]) -> None:
    undisclosed = values(case["parameters"], case.get("deployments"))
    assert undisclosed.redact(case["text"]) == case["told"]


def test_without_a_template_all_values_are_hidden() -> None:
    assert values({"MODE": "accurate"}, known=False).redact("got accurate") == "got …"


def test_a_name_of_a_secret_in_one_revision_is_a_value_in_another() -> None:
    """A deployment may run a revision that uses a parameter otherwise than the instance's revision does."""
    obj = template()
    obj["spec"]["model_creation_parameters_schema"]["properties"]["HF_TOKEN"] = {"type": "string"}
    plain = parse_template(obj)
    given = instance(model_creation_parameters={"HF_TOKEN": "hf-secret-1"})
    parsed = ModelInstance.model_validate(given)

    assert Redactor(parsed, compiled()).redact("no hf-secret-1") == "no hf-secret-1"
    for templates in ((compiled(), plain), (plain, compiled()), (plain,)):
        assert Redactor(parsed, *templates).redact("no hf-secret-1") == "no …"


def test_a_refusal_that_was_cut_shows_no_beginning_of_a_value() -> None:
    secret = "s3cr3t-" * 300
    refusal = explain_refusal(422, {"message": f"{'x' * 985} {secret}"}, "apply Deployment minilm")
    assert "s3cr3t" in refusal.detail
    assert "s3c" not in values({"TOKEN": secret}).redact(refusal.detail)


@given(
    before=st.text(alphabet=" :\"'=/,", max_size=5),
    value=st.text(alphabet='abc$\\"\n ü.-', min_size=4, max_size=60).filter(
        lambda text: text == text.strip()
    ),
    after=st.text(alphabet=" :\"'=/,", max_size=5),
)
def test_no_value_survives_between_marks(before: str, value: str, after: str) -> None:
    told = values({"TOKEN": value}, known=False).redact(f"{before}{value}{after}")
    assert value not in told or value in "Deployment Service container model image minilm default"


_LETTERS = dict(zip('\a\b\f\n\r\t\v\\"', 'abfnrtv\\"', strict=True))


def in_go(text: str, escaped: Callable[[str], bool] = lambda character: not character.isprintable()) -> str:
    """Write a text as strconv.Quote does, without its marks; which characters it escapes is a parameter."""

    def one(character: str) -> str:
        code = ord(character)
        if character in _LETTERS:
            return f"\\{_LETTERS[character]}"
        if code < 0x20 or code == 0x7F:
            return f"\\x{code:02x}"
        if not escaped(character) or code < 0x7F:
            return character
        return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

    return "".join(map(one, text))


def in_json(text: str) -> str:
    """Write a text as Go's encoding/json does, without its marks."""
    written = json.dumps(text, ensure_ascii=False)[1:-1]
    return "".join(f"\\u{ord(each):04x}" if each in "<>&\u2028\u2029" else each for each in written)


QUOTES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "strconv.Quote": in_go,
    "strconv.QuoteToASCII": lambda text: in_go(text, lambda character: not character.isascii()),
    "encoding/json": in_json,
    "JSON in ASCII": lambda text: json.dumps(text)[1:-1],
    "JSON in strconv.Quote": lambda text: in_go(in_json(text)),
    "strconv.Quote in JSON": lambda text: in_json(in_go(text)),
    "JSON in JSON": lambda text: in_json(in_json(text)),
    "url.PathEscape": lambda text: quote(text, safe="$&+=:@"),
    "url.QueryEscape": quote_plus,
    "URL in strconv.Quote": lambda text: in_go(quote(text)),
    "dollars doubled": lambda text: text.replace("$", "$$"),
    "dollars doubled, in strconv.Quote": lambda text: in_go(text.replace("$", "$$")),
}
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="⟦⟧"), min_size=4, max_size=40)
AWKWARD = st.text("\\\"'$%+ .n\nu0041xé…&\0\x1f\x7f\x85\u00a0\u200b\u3000\U0001f511", min_size=4, max_size=40)


def is_public(undisclosed: Redactor, value: str) -> bool:
    """Tell whether a value is shown: it is a part of what the objects' names and kinds say anyway."""
    return value in undisclosed._public


@pytest.mark.parametrize("name", QUOTES)
@given(value=TEXTS | AWKWARD)
def test_no_value_survives_in_quotes(name: str, value: str) -> None:
    undisclosed = values({"TOKEN": value}, known=False)
    assume(not is_public(undisclosed, value))

    assert undisclosed.redact(f"⟦{QUOTES[name](value)}⟧") == "⟦…⟧"


@pytest.mark.parametrize("name", QUOTES)
@given(before=st.just("") | AWKWARD, value=TEXTS | AWKWARD, after=st.just("") | AWKWARD)
def test_no_value_survives_between_texts_of_others(name: str, before: str, value: str, after: str) -> None:
    undisclosed = values({"TOKEN": value}, known=False)
    written = QUOTES[name](value)
    # There it may be a part of a longer word; and what is hidden reads as "…".
    assume(not is_public(undisclosed, value) and written not in before + after and "…" not in value)

    assert written not in undisclosed.redact(f'{before}"{written}"{after}')


@pytest.mark.parametrize("name", QUOTES)
@example(value='00000000000000".', size=14)
@given(value=TEXTS | AWKWARD, size=st.integers(4, 40))
def test_no_beginning_survives_that_was_cut_and_then_quoted(name: str, value: str, size: int) -> None:
    undisclosed = values({"TOKEN": value}, known=False)
    assume(not is_public(undisclosed, value[:size]))

    told = undisclosed.redact(f'⟦{QUOTES[name](value[:size])}"...')

    # What of the mark stays does not matter; the value may end like it.
    assert re.fullmatch(r'⟦…"?\.{0,3}', told)


@pytest.mark.parametrize("name", QUOTES)
@pytest.mark.parametrize("mark", ["…", "..."])
@given(value=TEXTS | AWKWARD, data=st.data())
def test_no_beginning_survives_that_was_quoted_and_then_cut(
    name: str, mark: str, value: str, data: st.DataObject
) -> None:
    written = QUOTES[name](value)
    shown = written[: data.draw(st.integers(len(QUOTES[name](value[:4])), len(written)))]
    undisclosed = values({"TOKEN": value}, known=False)
    assume(not is_public(undisclosed, value[:4]))

    assert undisclosed.redact(f"⟦{shown}{mark}").rstrip(".…") == "⟦"


@pytest.mark.parametrize("name", QUOTES)
@given(value=(TEXTS | AWKWARD).filter(lambda text: len(text) >= 16), data=st.data())
def test_no_sixteen_characters_survive_without_the_rest(name: str, value: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(value) - 16))
    part = value[start : data.draw(st.integers(start + 16, len(value)))]
    undisclosed = values({"TOKEN": value}, known=False)
    assume(not is_public(undisclosed, part))

    assert undisclosed.redact(f"⟦{QUOTES[name](part)}⟧") == "⟦…⟧"


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (70123456, "7.0123456e+07"),
        (70123456, "70123456.000000"),
        (0.12345, "0.12345"),
        (1e-05, "1e-05 0.00001"),
        (1.5e-07, "1.5e-07 1.5e-7"),
        (123456789.5, "1.234567895e+08"),
        (1e20, "1e+20 100000000000000000000"),
        (-70123456, "-7.0123456e+07"),
        (1.2345e300, "1.2345e+300"),
    ],
)
def test_numbers_as_go_writes_them(number: float, written: str) -> None:
    told = values({"NUMBER": number}, known=False).redact(f"got {written}")

    assert set(told.removeprefix("got ")) <= set("… .0")


def test_what_go_writes_of_maps_and_lists() -> None:
    undisclosed = values({"TOKEN": "s3cr3t\u3000\x7f", "OTHER": "an\u00a0other"}, known=False)
    text = r'map[a:s3cr3t\u3000\x7f b:[an\u00a0other]] map[string]string{"a":"an\u00a0other"}'

    assert undisclosed.redact(text) == 'map[a:… b:[…]] map[string]string{"a":"…"}'


def test_the_work_is_in_proportion_to_the_text() -> None:
    undisclosed = values({"TOKEN": "s3cr3t-\u00a0" * 20, "SHORT": "\\\\\\\\"})

    def calls(text: str) -> int:
        count = 0

        def counted(_frame: object, event: str, _argument: object) -> None:
            nonlocal count
            count += event in ("call", "c_call")

        undisclosed.redact(text)
        sys.setprofile(counted)
        try:
            undisclosed.redact(text)
        finally:
            sys.setprofile(None)
        return count

    for part in ("\\", "\\u00a0", "%41", "%ff", "s3cr3t-\\u00a0", "$", "…", "\\x41", ".", " +"):
        assert calls(part * 2000) <= 2.2 * calls(part * 1000)


def test_hostile_values_take_little_time() -> None:
    parameters = {f"P{number}": f'$"ü\n{number} ' * 12 for number in range(500)}
    undisclosed = values(parameters)
    text = (parameters["P499"] + "Invalid value ") * 10
    started = time.process_time()
    told = undisclosed.redact(text)
    assert time.process_time() - started < 2
    assert set(told.replace("Invalid value", "")) <= {"…", " "}
