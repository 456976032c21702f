"""The bodies of requests for models, and what is said of those that are wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.gateway.failures import Failure, FailureReason, invalid
from model_operator.core.gateway.rest.entries import Entry
from model_operator.core.gateway.rest.model_requests import (
    NewModel,
    field_value,
    read_model_draft,
    read_model_patch,
)

REQUIRED = {"name": "qwen", "model_type": "COMPLETION", "account_id": "team-a"}


def read_new_model(body: bytes) -> NewModel:
    """Return a new model, as a creation reads it before the account is known to be usable."""
    request, wrong = read_model_draft(body)
    if wrong:
        raise invalid(*wrong)
    return request


def refused(read: Any, body: Any) -> list[dict[str, Any]]:
    with pytest.raises(Failure) as caught:
        read(body if isinstance(body, bytes) else json.dumps(body).encode())
    assert caught.value.reason is FailureReason.INVALID
    return [entry.to_dict() for entry in caught.value.entries]


def summary(entries: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(".".join(map(str, entry["loc"])), entry["type"]) for entry in entries]


def test_what_is_missing_is_said_as_the_platform_says_it() -> None:
    body = {"name": "qwen"}
    assert refused(read_new_model, body) == [
        {"loc": ["body", field], "msg": "Field required", "type": "missing", "input": body}
        for field in ("model_type", "account_id")
    ]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "missing"),
        (b" \n", "missing"),
        (b'{"name": ', "json_invalid"),
        (b"\xff", "json_invalid"),
        (b'{"name": NaN}', "json_invalid"),
        (b"[]", "model_attributes_type"),
        (b"null", "model_attributes_type"),
        (b'"text"', "model_attributes_type"),
    ],
)
@pytest.mark.parametrize("read", [read_new_model, read_model_draft, read_model_patch])
def test_what_is_no_object_is_refused(read: Any, body: bytes, kind: str) -> None:
    assert summary(refused(read, body)) == [("body", kind)]


def test_everything_that_is_wrong_is_named_in_the_order_of_the_document() -> None:
    body = {
        "account_id": 5,
        "model_vendor": "ACME",
        "name": "!!!",
        "model_creation_parameters": [],
        "base_model_metadata": {"modelDetails": {"languages": "7", "alignments": True}},
        "description": {},
    }
    assert summary(refused(read_new_model, body)) == [
        ("body.name", "object_name"),
        ("body.model_vendor", "enum"),
        ("body.model_type", "missing"),
        ("body.base_model_metadata.modelDetails.languages", "int_type"),
        ("body.base_model_metadata.modelDetails.alignments", "int_type"),
        ("body.model_creation_parameters", "dict_type"),
        ("body.description", "string_type"),
        ("body.account_id", "string_type"),
    ]


@pytest.mark.parametrize("name", ["kubernetes", "Kubernetes!", "", "日本語"])
def test_a_name_that_gives_no_object_is_refused(name: str) -> None:
    assert summary(refused(read_new_model, {**REQUIRED, "name": name})) == [("body.name", "object_name")]


def test_the_name_of_a_model_has_as_many_characters_as_the_kind_allows() -> None:
    assert read_new_model(json.dumps({**REQUIRED, "name": "ä" * 253}).encode()).name == "ä" * 253
    (entry,) = refused(read_new_model, {**REQUIRED, "name": "ä" * 254})
    assert (entry["type"], entry["ctx"]) == ("string_too_long", {"max_length": 253})


def test_null_is_no_value_and_unknown_fields_are_ignored() -> None:
    optional = dict.fromkeys(
        ["display_name", "model_vendor", "base_model_metadata", "model_creation_parameters"]
    )
    model = read_new_model(json.dumps({**REQUIRED, **optional, "foo": 1}).encode())
    assert (model.display_name, model.model_vendor, model.model_creation_parameters) == (None, None, None)


def test_an_integer_may_be_written_with_a_point() -> None:
    body = {**REQUIRED, "base_model_metadata": {"modelDetails": {"languages": 7.0, "alignments": None}}}
    model = read_new_model(json.dumps(body).encode())
    assert field_value(model, "base_model_metadata") == {"modelDetails": {"languages": 7}}


def test_a_draft_has_what_is_valid() -> None:
    body = {"name": "!!!", "account_id": "team-a", "model_template_id": "encoder", "model_type": "X"}
    draft, entries = read_model_draft(json.dumps(body).encode())
    assert draft.model_fields_set == {"account_id", "model_template_id"}
    assert (draft.account_id, draft.model_template_id) == ("team-a", "encoder")
    assert [entry.loc for entry in entries] == [("body", "name"), ("body", "model_type")]
    model, none = read_model_draft(json.dumps(REQUIRED).encode())
    assert (model, none) == (read_new_model(json.dumps(REQUIRED).encode()), ())


def test_a_patch_has_what_was_sent() -> None:
    body = {"description": None, "model_type": "AGENT", "display_name": "Q", "foo": 1, "account_id": "a"}
    assert read_model_patch(json.dumps(body).encode()) == {
        "account_id": "a",
        "description": None,
        "display_name": "Q",
        "model_type": "AGENT",
    }
    assert read_model_patch(b"{}") == {}


def test_a_patch_cannot_remove_what_is_required() -> None:
    body = {"name": None, "model_type": None, "model_template_id": 7}
    assert summary(refused(read_model_patch, body)) == [
        ("body.name", "string_type"),
        ("body.model_type", "enum"),
        ("body.model_template_id", "string_type"),
    ]


def test_parameters_keep_their_nulls() -> None:
    parameters = {"A": None, "B": {"c": [None]}}
    body = json.dumps({**REQUIRED, "model_creation_parameters": parameters}).encode()
    assert field_value(read_new_model(body), "model_creation_parameters") == parameters
    assert read_model_patch(body)["model_creation_parameters"] == parameters


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from([*REQUIRED, "model_vendor", "base_model_metadata", "model_creation_parameters", "x"])


@given(st.dictionaries(FIELDS, JSON, max_size=5))
def test_any_object_is_read_or_refused_with_paths_from_the_body(body: dict[str, Any]) -> None:
    for read in (read_new_model, read_model_patch):
        entries: tuple[Entry, ...] = ()
        try:
            read(json.dumps(body).encode())
        except Failure as failure:
            entries = failure.entries or (Entry((), "", ""),)
        assert all(entry.loc[0] == "body" for entry in entries)
        json.dumps([entry.to_dict() for entry in entries])
