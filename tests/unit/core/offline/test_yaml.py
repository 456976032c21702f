"""Reading and writing YAML: as kubectl does, with positions, whatever somebody wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.offline.documents import Document, read_documents
from model_operator.core.offline.nodes import Position
from model_operator.core.values.yaml_dialect import to_yaml

WORDS = yaml.safe_load((Path(__file__).parent / "words.yaml").read_text())


def read(text: str) -> Document:
    (document,) = read_documents(text, "file.yaml")
    return document


def faults(text: str) -> list[str]:
    return [
        f"{fault.position.line}:{fault.position.column} {fault.message}"
        for document in read_documents(text, "file.yaml")
        for fault in document.faults
    ]


@pytest.mark.parametrize("word", WORDS)
def test_plain_word(word: str) -> None:
    value = read(f"- {word}\n").value[0]

    assert value == WORDS[word]
    assert type(value) is type(WORDS[word])


def test_positions() -> None:
    document = read("""---
spec:
  list:
    - name: a
      value: 1
    - {name: b, value: {c: 2}}
  empty:
""")

    def at(*loc: str | int) -> tuple[int, int]:
        position = document.position(loc)
        return position.line, position.column

    assert at("spec") == (2, 1)
    assert at("spec", "list", 0, "value") == (5, 14)
    assert at("spec", "list", 1) == (6, 7)
    assert at("spec", "list", 1, "value") == (6, 17)
    assert at("spec", "list", 1, "value", "c") == (6, 28)
    assert at("spec", "empty") == (7, 3)
    assert at("spec", "list", 0, "missing") == (4, 7)
    assert at("missing") == (2, 1)


def test_every_document_is_read_by_itself() -> None:
    documents = read_documents("a: 1\n---\nb: [\n---\n# nothing\n---\n--- \nc: 3\n...\n", "file.yaml")

    assert [document.value for document in documents] == [{"a": 1}, None, {"c": 3}]
    assert documents[2].position(("c",)) == Position(8, 4)
    assert [str(fault.position.line) for fault in documents[1].faults] == ["4"]


def test_three_dashes_inside_of_a_text_are_text() -> None:
    assert read("a: |\n  ---\n  b\n").value == {"a": "---\nb\n"}


def test_json_is_yaml() -> None:
    assert read('{"a": [1, true, null, "y"]}').value == {"a": [1, True, None, "y"]}


@pytest.mark.parametrize("text", ["1e999", "12e456789012", "-1e400"])
def test_what_go_takes_for_no_number_is_text(text: str) -> None:
    assert read(f"a: {text}\n").value == {"a": text}


def test_aliases_and_merges_are_written_out() -> None:
    document = read("base: &base {a: 1, b: 2}\nuse: {<<: *base, b: 3}\nlist: [*base]\n")

    assert document.value["use"] == {"a": 1, "b": 3}
    assert document.value["list"] == [{"a": 1, "b": 2}]
    assert document.position(("use", "a")) == Position(1, 17)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: 2\na: 3\n", ["3:1 key 'a' is repeated; remove one of them"]),
        ("a:\n\t- b\n", ["2:1 must be YAML: a tab cannot indent a line, got one; use spaces"]),
        ("a: \x01\n", ["1:4 must be YAML: this character is not allowed"]),
        ("a: *nobody\n", ["1:4 must be YAML: anchor 'nobody' is not defined"]),
        ("? [a]\n: b\n", ["1:3 key must be a string, got a list, an object or null"]),
        ("a: .inf\n", ["1:4 must be a number that JSON can represent, got infinity or NaN"]),
        ("<<: a\n", ["1:5 value of the merge key << must be an object or a list of objects, got a string"]),
        ("a: &a [*a]\n", ["1:4 document is too large or nested too deeply once its aliases are expanded"]),
        ("[" * 200_000, ["1:1001 must have at most 1000 levels of lists and objects, got more"]),
    ],
)
def test_faults(text: str, told: list[str]) -> None:
    assert faults(text) == told


def test_aliases_of_aliases_have_an_end() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]

    (told,) = faults("\n".join(lines))

    assert told.endswith("document is too large or nested too deeply once its aliases are expanded")


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(sorted(WORDS))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(TEXT, JSON, min_size=1, max_size=3))
def test_what_is_written_is_read_alike_by_all(value: dict[str, Any]) -> None:
    text = to_yaml(value)

    assert read(text).value == value
    assert yaml.safe_load(text) == value


@given(
    st.text(
        st.sampled_from("ab:-[]{}&*!|>'\"%#,?<~ \n\t\x00é\u2028") | st.characters(exclude_categories=["Cs"]),
        max_size=40,
    )
)
def test_no_text_is_too_strange(text: str) -> None:
    for document in read_documents(text, "file.yaml"):
        assert document.position(("a", 0, "b")) >= Position(1, 1)
