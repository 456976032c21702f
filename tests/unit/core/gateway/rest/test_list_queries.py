"""What a list's query means, in the forms that clients send, and what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest
from multidict import MultiDict

from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.core.gateway.rest.list_queries import (
    SORT_FIELDS,
    Listed,
    ListQuery,
    SortKey,
    View,
    read_list_query,
)

Pairs = list[tuple[str, str]]


def _read(*pairs: tuple[str, str], kind: Listed = Listed.MODELS, account: str = "") -> ListQuery:
    return read_list_query(MultiDict(pairs), kind, account)


def _wrong(*pairs: tuple[str, str], kind: Listed = Listed.MODELS) -> list[dict[str, Any]]:
    with pytest.raises(Failure) as caught:
        _read(*pairs, kind=kind)
    assert caught.value.reason is FailureReason.INVALID
    return [entry.to_dict() for entry in caught.value.entries]


def test_defaults() -> None:
    for kind in Listed:
        assert _read(kind=kind) == ListQuery(kind, limit=100, page=1)


def test_parameters_that_a_list_does_not_have_are_ignored() -> None:
    assert _read(("colour", "red"), ("offset", "x")) == ListQuery(Listed.MODELS)
    others: Pairs = [("sort_by", "x"), ("view", "x"), ("model_type", "x"), ("model_group_id", "x")]
    assert _read(*others, kind=Listed.TEMPLATES) == ListQuery(Listed.TEMPLATES)
    assert _read(*others[1:], kind=Listed.DEPLOYMENTS) == ListQuery(Listed.DEPLOYMENTS)


@pytest.mark.parametrize(
    "pairs",
    [
        [("sort_by", "name:asc,id:desc")],
        [("sort_by", "name:asc"), ("sort_by", "id:desc")],
        [("sort_by", " name:asc , ,id:desc,name:desc,")],
    ],
)
def test_fields_to_sort_by_are_joined_or_repeated(pairs: Pairs) -> None:
    assert _read(*pairs).sort_by == (SortKey("name"), SortKey("id", descending=True))


@pytest.mark.parametrize("kind", [Listed.MODELS, Listed.DEPLOYMENTS])
def test_every_field_and_direction_of_the_document_is_known(kind: Listed) -> None:
    fields = SORT_FIELDS[kind]
    assert len(fields) == {Listed.MODELS: 23, Listed.DEPLOYMENTS: 12}[kind]
    ascending = ",".join(f"{field}:asc" for field in fields)
    assert [key.field for key in _read(("sort_by", ascending), kind=kind).sort_by] == list(fields)
    for field in fields:
        assert _read(("sort_by", f"{field}:desc"), kind=kind).sort_by == (SortKey(field, descending=True),)


@pytest.mark.parametrize("value", ["colour:asc", "name", "name:up", "name:asc:asc", ":asc", "NAME:asc"])
def test_an_unknown_field_or_direction_is_wrong(value: str) -> None:
    (entry,) = _wrong(("sort_by", f"id:asc,{value}"))
    assert (entry["loc"], entry["type"], entry["input"]) == (["query", "sort_by"], "literal_error", value)
    assert "model_creation_parameters" in entry["ctx"]["expected"]


def test_views_are_joined_or_repeated() -> None:
    both = frozenset({View.DEPLOYMENTS, View.MODEL_GROUP})
    assert _read(("view", "Deployments,ModelGroup")).views == both
    assert _read(("view", "Deployments"), ("view", "ModelGroup")).views == both
    (entry,) = _wrong(("view", "deployments"))
    assert entry == {
        "loc": ["query", "view"],
        "msg": "Input should be 'Deployments' or 'ModelGroup'",
        "type": "literal_error",
        "input": "deployments",
        "ctx": {"expected": "'Deployments' or 'ModelGroup'"},
    }


def test_one_object_has_views_alone() -> None:
    others: Pairs = [("limit", "x"), ("page", "x"), ("sort_by", "x"), ("account_id", "a")]
    views = [("view", "Deployments,manifest")]
    assert _read(*others, *views, kind=Listed.MODEL, account="a") == ListQuery(
        Listed.MODEL, views=frozenset({View.DEPLOYMENTS, View.MANIFEST})
    )
    assert _read(("view", "manifest"), kind=Listed.TEMPLATE).views == {View.MANIFEST}
    for kind, view in ((Listed.MODELS, "manifest"), (Listed.MODEL, "x"), (Listed.TEMPLATE, "Deployments")):
        (entry,) = _wrong(("view", view), kind=kind)
        assert (entry["loc"], entry["type"]) == (["query", "view"], "literal_error")


def test_null_and_empty_filters_are_no_filters() -> None:
    names = ("account_id", "model_type", "model_group_id", "sort_by", "view")
    for nothing in ("", "null"):
        assert _read(*((name, nothing) for name in names)) == ListQuery(Listed.MODELS)
    found = _read(("account_id", "a"), ("model_type", "AGENT"), ("model_group_id", "7"))
    assert (found.account_id, found.model_type, found.model_group_id) == ("a", "AGENT", "7")


def test_the_selected_account_is_the_one_of_a_query_that_names_none() -> None:
    assert _read(account="a").account_id == "a"
    assert _read(("account_id", "b"), account="a").account_id == "b"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("limit", "1", 1),
        ("limit", "10000", 10_000),
        ("page", " 7 ", 7),
        ("page", str(10**30), 10**30),
    ],
)
def test_numbers(name: str, value: str, expected: int) -> None:
    assert getattr(_read((name, "3"), (name, value)), name) == expected  # the last one counts


@pytest.mark.parametrize(
    ("name", "value", "code", "ctx"),
    [
        ("limit", "0", "greater_than_equal", {"ge": 1}),
        ("limit", "10001", "less_than_equal", {"le": 10_000}),
        ("limit", "-1", "greater_than_equal", {"ge": 1}),
        ("limit", "ten", "int_parsing", None),
        ("limit", "", "int_parsing", None),
        ("limit", "1.5", "int_parsing", None),
        ("page", "0", "greater_than_equal", {"ge": 1}),
        ("page", "null", "int_parsing", None),
        ("page", "9" * 5000, "int_parsing_size", None),
    ],
)
def test_numbers_out_of_bounds_are_wrong(
    name: str, value: str, code: str, ctx: dict[str, int] | None
) -> None:
    (entry,) = _wrong((name, value))
    assert (entry["loc"], entry["type"], entry.get("ctx")) == (["query", name], code, ctx)
    assert entry.get("input") == (value if len(value) < 1000 else None)


def test_all_that_is_wrong_is_said_at_once() -> None:
    entries = _wrong(("limit", "0"), ("page", "x"), ("sort_by", "a:asc,b:asc"), ("view", "x"))
    assert [entry["loc"][1] for entry in entries] == ["limit", "page", "sort_by", "sort_by", "view"]
