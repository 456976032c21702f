from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.gateway.bodies import read_request, with_model
from model_operator.core.gateway.failures import Failure, FailureReason

WHITE = st.sampled_from(["", " ", "\n", "\t ", " \r\n"])
NUMBERS = ["1.50", "1e-7", "1E+400", "-0", "123456789012345678901234567890", "0.1000000000000000055"]
MODEL_KEYS = ['"model"', '"mod\\u0065l"', '"\\u006d\\u006F\\u0064\\u0065\\u006C"']


def _key(name: str) -> str:
    return json.dumps(name)


VALUES: st.SearchStrategy[str] = st.recursive(
    st.sampled_from([*NUMBERS, "null", "true", '"model"', '"\\"model\\":1"', '"\\u006d"'])
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cs"])).map(
        lambda text: json.dumps(text, ensure_ascii=False)
    ),
    lambda inner: (
        st.tuples(st.lists(inner, max_size=4), WHITE).map(lambda got: f"[{(',' + got[1]).join(got[0])}]")
        | st.lists(
            st.tuples(st.sampled_from(['"model"', '"a"', '"a"', '"mod\\u0065l"']), inner), max_size=4
        ).map(lambda pairs: "{" + ",".join(f"{key}:{value}" for key, value in pairs) + "}")
    ),
    max_leaves=12,
)
OTHER_KEYS = st.sampled_from(
    ['"a"', '"a"', '"Model"', '"stream2"', '"models"', '""', '"\\"model\\""']
) | st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8).filter(
    lambda name: name != "model"
).map(_key)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, str]:
    """A body's text before the value of ``model``, and behind it."""
    members = draw(st.lists(st.tuples(WHITE, OTHER_KEYS, WHITE, WHITE, VALUES, WHITE), max_size=6))
    texts = [f"{a}{key}{b}:{c}{value}{d}" for a, key, b, c, value, d in members]
    place = draw(st.integers(0, len(texts)))
    lead = draw(WHITE) + draw(st.sampled_from(MODEL_KEYS)) + draw(WHITE) + ":" + draw(WHITE)
    before = draw(WHITE) + "{" + "".join(f"{text}," for text in texts[:place]) + lead
    behind = draw(WHITE) + "".join(f",{text}" for text in texts[place:]) + "}" + draw(WHITE)
    return before, behind


@given(
    bodies(), st.text(st.characters(codec="utf-8", exclude_categories=["Cs"])), st.text("abc/-", min_size=1)
)
def test_only_the_value_of_model_changes(around: tuple[str, str], old: str, new: str) -> None:
    before, behind = around
    body = f"{before}{json.dumps(old)}{behind}".encode()
    assert read_request(body).model == old
    assert with_model(body, new) == f"{before}{json.dumps(new)}{behind}".encode()


@given(bodies(), st.sampled_from(MODEL_KEYS), st.booleans())
def test_a_second_model_is_refused_however_it_is_spelled(
    around: tuple[str, str], key: str, is_first: bool
) -> None:
    before, behind = around
    text = f'{before}"a"{behind}'
    start = text.index("{") + 1
    body = text[:start] + f"{key}:1," + text[start:] if is_first else text[: text.rindex("}")] + f",{key}:1}}"
    with pytest.raises(Failure) as caught:
        read_request(body.encode())
    assert (caught.value.reason, caught.value.param) == (FailureReason.INVALID_BODY, ("model",))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"[]",
        b"null",
        b'"model"',
        b"{",
        b'{"model":"a"',
        b'{"model":"a"}x',
        b'{"model":"a","x":NaN}',
        b'{"model":"a","x":[1,}',
        b"{'model':'a'}",
        b"[" * 100_000,
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"x":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"model":"\xff"}',
        b'{"model":"a","x":"\xc3"}',
        b'{"model":"a","\xed\xa0\x80":1}',
        "{}".encode("utf-16"),
        b"\xef\xbb\xbf{}",
        b'{"model":"a","x":"\n"}',
        b'{"model":"\\ud800"}',
    ],
)
def test_what_is_no_json_object_in_utf_8_is_refused(body: bytes) -> None:
    with pytest.raises(Failure) as caught:
        read_request(body)
    assert caught.value.reason is FailureReason.INVALID_BODY
    assert "Action (user)" in caught.value.message


@pytest.mark.parametrize("value", ["null", "1", "true", "[]", '{"model":"a"}', '["a"]'])
def test_a_model_that_is_no_string_is_refused(value: str) -> None:
    with pytest.raises(Failure) as caught:
        read_request(f'{{"model":{value}}}'.encode())
    assert (caught.value.reason, caught.value.param) == (FailureReason.INVALID_BODY, ("model",))


@pytest.mark.parametrize("value", ["null", '{"any": ["thing"]}', '"a", "model": 2'])
def test_where_the_path_names_the_model_the_field_is_the_servers(value: str) -> None:
    body = f'{{"model":{value},"stream":true}}'.encode()
    request = read_request(body, names_model=False)
    assert (request.model, request.is_stream, request.raw) == (None, True, body)


@pytest.mark.parametrize(
    ("body", "model", "is_stream"),
    [
        ("{}", None, False),
        ('{"stream":true}', None, True),
        ('{"stream": "true","model":""}', "", False),
        ('{"stream":1,"model":"a"}', "a", False),
        ('{"metadata":{"model":"x","stream":true},"model":"ns\\/n"}', "ns/n", False),
    ],
)
def test_fields_that_are_read(body: str, model: str | None, is_stream: bool) -> None:
    request = read_request(body.encode())
    assert (request.model, request.is_stream) == (model, is_stream)


def test_a_body_without_a_model_stays() -> None:
    body = b'{"metadata": {"model": "x"}}'
    assert with_model(body, "a") == body


def test_a_flood_of_fields_beside_two_spellings_is_refused() -> None:
    flood: Any = b",".join(b'"model":1' for _ in range(200_000))
    with pytest.raises(Failure, match="at most 10000 fields"):
        read_request(b"{" + flood + b"}")
