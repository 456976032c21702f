"""Pages: what is on them, in which order, and how much there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import MultiDict

from model_operator.core.gateway.rest.accounts import Accounts
from model_operator.core.gateway.rest.deployment_answers import deployment_answers
from model_operator.core.gateway.rest.list_pages import Walk, deployment_page_of, page_of, page_of_answers
from model_operator.core.gateway.rest.list_queries import SORT_FIELDS, Listed, read_list_query
from model_operator.core.gateway.rest.list_walks import ListWalks
from model_operator.core.gateway.rest.model_answers import model_answer
from model_operator.core.gateway.rest.record_form import Record, cell_of
from model_operator.core.gateway.rest.records import Records
from model_operator.core.gateway.rest.sorting import window

_SPEC: Mapping[str, Any] = {
    "name": "Qwen",
    "display_name": "The Qwen",
    "model_vendor": "LAUNCH",
    "model_type": "AGENT",
    "base_model_id": "qwen3",
    "base_model_metadata": {"model_developer": "x"},
    "model_creation_parameters": {"B": 1},
    "model_card": "card",
    "training_data_card": "data",
    "description": "text",
    "model_template_id": "chat",
    "model_group_id": "g1",
    "account_id": "acme",
}
_STATUS: Mapping[str, Any] = {
    "request_schema": {"type": "object"},
    "response_schema": {"type": "object"},
    "deployment_count": 2,
    "supports_multi_turn": True,
    "created_by_user_id": "anna",
    "created_by_identity_type": "user",
}


def _instance(
    name: str,
    spec: Mapping[str, Any] | None = None,
    status: Mapping[str, Any] | None = None,
    *,
    namespace: str = "a",
    day: int = 1,
) -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": namespace,
            "name": name,
            "uid": str(UUID(bytes=f"{namespace}/{name}".encode().ljust(16, b"\0"))),
            "resourceVersion": "1",
            "creationTimestamp": f"2026-01-{day:02}T00:00:00Z",
        },
        "spec": dict(spec or {}),
        "status": dict(status or {}),
    }


def _deployments(obj: dict[str, Any]) -> list[dict[str, Any]]:
    metadata = obj["metadata"]
    return [
        {"id": f"{metadata['name']}-{each['name']}", "created_at": metadata["creationTimestamp"], **each}
        for each in obj["spec"].get("deployments", [])
    ]


def _records(*objects: dict[str, Any]) -> Records:
    records = Records(_deployments)
    for obj in objects:
        assert records.put(obj)
    return records


def _page(
    records: Records,
    *pairs: tuple[str, Any],
    is_visible: Callable[[str], bool] = lambda _: True,
    accounts: Accounts | None = None,
    type_of: Callable[[Record], str | None] = lambda _: None,
    kind: Listed = Listed.MODELS,
    walk: Walk | None = None,
) -> dict[str, Any]:
    query = read_list_query(MultiDict([(name, str(value)) for name, value in pairs]), kind)
    if kind is Listed.DEPLOYMENTS:
        item = _item_of(_deployments)
        return deployment_page_of(query, records, is_visible, accounts or Accounts(), item, walk)
    answer = lambda record: {"name": record.name}  # noqa: E731 -- one expression
    return page_of(query, records, is_visible, accounts or Accounts(), answer, type_of, walk)


def _item_of(answers: Callable[[Any], Any]) -> Callable[[Record, str], Any]:
    def item(record: Record, identifier: str) -> Any:
        return next(each for each in answers(record.object()) if each["id"] == identifier)

    return item


def _names(page: Mapping[str, Any]) -> list[str]:
    return [item["name"] for item in page["items"]]


def test_pages_are_by_time_of_creation_and_id_and_end() -> None:
    records = _records(_instance("new", day=3), _instance("b"), _instance("a"), _instance("c", day=2))
    first = _page(records, ("limit", 3))
    assert (_names(first), first["current_page"]) == (["a", "b", "c"], 1)
    assert (first["items_per_page"], first["total_item_count"]) == (3, 4)
    assert _names(_page(records, ("limit", 3), ("page", 2))) == ["new"]
    for page in (3, 10**30):
        past = _page(records, ("limit", 3), ("page", page))
        assert (past["items"], past["total_item_count"], past["current_page"]) == ([], 4, page)


def test_a_caller_sees_and_counts_their_own_namespaces_alone() -> None:
    records = _records(*(_instance(f"m{n}", namespace="ab"[n % 2], day=n + 1) for n in range(6)))
    requested: list[str] = []

    def is_visible(namespace: str) -> bool:
        requested.append(namespace)
        return namespace == "b"

    page = _page(records, ("limit", 2), is_visible=is_visible)
    assert (_names(page), page["total_item_count"]) == (["m1", "m3"], 3)
    assert sorted(requested) == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("model_type", "AGENT", ["stated", "templated"]),
        ("model_type", "7", []),
        ("model_group_id", "g1", ["stated"]),
        ("account_id", "acme", ["stated", "labelled"]),
        ("account_id", "a", ["stated", "templated"]),
        ("account_id", "b", ["labelled"]),
    ],
)
def test_filters(name: str, value: str, expected: list[str]) -> None:
    accounts = Accounts()
    accounts.put({"metadata": {"name": "b", "labels": {"modeloperator.dev/account-id": "acme"}}})
    records = _records(
        _instance("stated", _SPEC, day=1),
        _instance("templated", day=2),
        _instance("labelled", {"model_type": "EMBEDDING"}, namespace="b", day=3),
    )
    page = _page(records, (name, value), accounts=accounts, type_of=lambda _: "AGENT")
    assert _names(page) == expected
    assert page["total_item_count"] == len(expected)


_GREATER: Mapping[str, Any] = {
    **{name: {"z": 1} if isinstance(value, dict) else f"z{value}" for name, value in _SPEC.items()},
    "deployments": [{"name": "a"}, {"name": "b", "vendor_configuration": {"max_workers": 3}}],
}
_MORE: Mapping[str, Any] = {
    "request_schema": {"type": "string"},
    "response_schema": {"type": "string"},
    "supports_multi_turn": False,
    "created_by_user_id": "zoe",
    "created_by_identity_type": "service_account",
    "deployments": [{"name": "great-a", "status": "READY", "created_at": "2026-01-09T00:00:00Z"}],
}
_ENTRY: Mapping[str, Any] = {
    "name": "b",
    "model_creation_parameters": {"C": 1},
    "vendor_configuration": {"max_workers": 2},
    "deployment_metadata": {"d": 1},
}
_SORTED = (
    _instance("none", day=1),
    _instance("great", _GREATER, _MORE, namespace="z", day=2),
    _instance("little", {**_SPEC, "deployments": [_ENTRY]}, _STATUS, day=3),
    _instance("less", {"model_template_id": "a", "description": "text"}, {"response_schema": {}}, day=1),
)
_CONTRACT = ("request_schema", "response_schema", "supports_multi_turn")


def _answers(obj: dict[str, Any]) -> list[dict[str, Any]]:
    account = obj["spec"].get("account_id") or obj["metadata"]["namespace"]
    return deployment_answers(obj, account, None)


def _answered(obj: dict[str, Any]) -> dict[str, Any]:
    """Return the answer; what no operator has reported yet is missing for an order, not for a client."""
    answer = model_answer(obj, obj["spec"].get("account_id") or obj["metadata"]["namespace"], None)
    answer |= {name: obj["status"].get(name) for name in _CONTRACT}
    groups = {"model_group": answer.get("model_group_id"), "deployments": answer["deployment_count"]}
    return answer | groups


def _in_order(answers: list[dict[str, Any]], field: str, *, descending: bool) -> list[str]:
    ordered = sorted(answers, key=lambda each: (each["created_at"], each["id"]))
    cells = {each["id"]: cell_of(each.get(field)) for each in ordered}
    present = [each["id"] for each in ordered if cells[each["id"]] is not None]
    missing = [each["id"] for each in ordered if cells[each["id"]] is None]
    present.sort(key=lambda each: cells[each], reverse=descending)  # type: ignore[arg-type,return-value]
    return present + missing


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("field", SORT_FIELDS[Listed.MODELS])
def test_models_sort_by_every_field_of_their_answers(field: str, descending: bool) -> None:
    query = MultiDict([("sort_by", f"{field}:{'desc' if descending else 'asc'}")])
    page = page_of(
        read_list_query(query, Listed.MODELS),
        _records(*_SORTED),
        lambda _: True,
        Accounts(),
        lambda record: _answered(record.object()),
    )
    expected = _in_order([_answered(obj) for obj in _SORTED], field, descending=descending)
    assert [item["id"] for item in page["items"]] == expected
    cells = {cell_of(item.get(field)) for item in page["items"]}
    assert len(cells) > 1


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("field", SORT_FIELDS[Listed.DEPLOYMENTS])
def test_deployments_sort_by_every_field_of_their_answers(field: str, descending: bool) -> None:
    query = MultiDict([("sort_by", f"{field}:{'desc' if descending else 'asc'}")])
    records = Records(lambda obj: deployment_answers(obj, "", None))
    for obj in _SORTED:
        records.put(obj)
    page = deployment_page_of(
        read_list_query(query, Listed.DEPLOYMENTS),
        records,
        lambda _: True,
        Accounts(),
        _item_of(_answers),
    )
    expected = _in_order(
        [answer for obj in _SORTED for answer in _answers(obj)], field, descending=descending
    )
    assert [item["id"] for item in page["items"]] == expected
    assert len({cell_of(item.get(field)) for item in page["items"]}) > 1


def test_deployments_of_all_models_are_filtered_and_counted_as_models_are() -> None:
    listed = {"deployments": [{"name": "x"}, {"name": "y"}]}
    records = _records(
        _instance("m2", listed, namespace="b", day=2),
        _instance("m1", {**listed, "account_id": "acme"}, day=1),
    )
    page = _page(records, ("limit", 3), kind=Listed.DEPLOYMENTS)
    assert [item["id"] for item in page["items"]] == ["m1-x", "m1-y", "m2-x"]
    assert page["total_item_count"] == 4
    own = _page(records, kind=Listed.DEPLOYMENTS, is_visible=lambda namespace: namespace == "b")
    assert [item["id"] for item in own["items"]] == ["m2-x", "m2-y"]
    account = _page(records, ("account_id", "acme"), kind=Listed.DEPLOYMENTS)
    assert [item["id"] for item in account["items"]] == ["m1-x", "m1-y"]


def test_templates_of_the_cluster_are_those_of_every_account() -> None:
    template = _instance("shared", day=1)
    del template["metadata"]["namespace"]
    records = _records(template, _instance("own", day=2), _instance("other", namespace="b", day=3))
    page = _page(records, ("account_id", "a"), kind=Listed.TEMPLATES)
    assert _names(page) == ["shared", "own"]
    hidden = _page(records, kind=Listed.TEMPLATES, is_visible=lambda namespace: namespace != "")
    assert _names(hidden) == ["own", "other"]


def test_answers_that_are_there_anyway_are_paged_alike() -> None:
    answers: list[dict[str, Any]] = [
        {"id": "2", "created_at": "1", "name": "b", "vendor_configuration": {"max_workers": 1}},
        {"id": "1", "created_at": "1", "name": "c"},
        {"id": "3", "created_at": "0", "name": "a", "vendor_configuration": None},
    ]
    for text, expected in (("", "acb"), ("name:desc", "cba"), ("vendor_configuration:asc", "bac")):
        query = read_list_query(MultiDict([("sort_by", text)]), Listed.DEPLOYMENTS)
        page = page_of_answers(query, answers)
        assert "".join(_names(page)) == expected
        assert page["total_item_count"] == 3


_CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.floats(-2, 2), st.sampled_from(["", "a", "é", "b"])
)


@given(
    rows=st.lists(st.tuples(_CELLS, _CELLS, _CELLS), max_size=12),
    directions=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    begin=st.integers(0, 14),
    size=st.integers(0, 14),
)
@settings(max_examples=300)
def test_a_part_is_that_of_the_whole_order(
    rows: list[tuple[Any, ...]], directions: tuple[bool, bool, bool], begin: int, size: int
) -> None:
    def column(index: int) -> Callable[[int], Any]:
        return lambda item: rows[item][index]

    whole = list(range(len(rows)))
    for index in (2, 1, 0):
        cells = column(index)
        missing = [item for item in whole if cells(item) is None]
        present = [item for item in whole if cells(item) is not None]
        present.sort(
            key=lambda item: (isinstance(rows[item][index], str), rows[item][index]),
            reverse=directions[index],
        )
        whole = present + missing
    keys = [(column(index), directions[index]) for index in range(3)]
    assert window(range(len(rows)), keys, begin, begin + size) == whole[begin : begin + size]


@given(st.permutations(range(1, 26)), st.integers(1, 30))
@settings(max_examples=50)
def test_pages_have_each_object_once(days: list[int], limit: int) -> None:
    records = _records(*(_instance(f"m{day:02}", {"description": str(day % 3)}, day=day) for day in days))
    for pairs in ([], [("sort_by", "description:desc")]):
        found: list[str] = []
        page = 1
        while names := _names(_page(records, ("limit", limit), ("page", page), *pairs)):
            found += names
            page += 1
        assert len(found) == len(set(found)) == 25


@pytest.mark.parametrize("kind", [Listed.MODELS, Listed.DEPLOYMENTS])
@pytest.mark.parametrize("pairs", [(), (("sort_by", "name:asc"),)])
def test_a_deletion_between_two_pages_hides_nothing(kind: Listed, pairs: tuple[tuple[str, str], ...]) -> None:
    names = "abcdef"
    spec = {name: {"deployments": [{"name": name}]} for name in names}
    records = _records(*(_instance(name, spec[name], day=day) for day, name in enumerate(names, 1)))
    walks = ListWalks(lambda: 0.0)

    def page(number: int, client: str = "anna") -> list[str]:
        walk = Walk(walks, client)
        return _names(_page(records, ("limit", 2), ("page", number), *pairs, kind=kind, walk=walk))

    assert page(1) == page(1, "bob") == ["a", "b"]
    records.remove("a", "a")
    records.put(_instance("0", {"deployments": [{"name": "0"}]}, day=1))
    assert page(2) == ["0", "c"], "what is new is seen, too"
    records.remove("a", "d")
    assert page(3) == ["e", "f"]
    assert page(4) == []
    assert page(2, "bob") == ["0", "c"]
    assert page(3, "carol") == ["f"], "the cut of what is there now"
    assert page(1) == ["0", "b"]


def test_a_further_page_has_what_the_caller_may_see_by_then() -> None:
    namespaces = {name: "b" if name in "cd" else "a" for name in "abcdef"}
    objects = (_instance(each, namespace=namespaces[each], day=day) for day, each in enumerate("abcdef", 1))
    records = _records(*objects)
    walk = Walk(ListWalks(lambda: 0.0), "anna")

    assert _names(_page(records, ("limit", 2), walk=walk)) == ["a", "b"]
    seen = _page(records, ("limit", 2), ("page", 2), is_visible=lambda each: each == "a", walk=walk)
    assert _names(seen) == ["e", "f"]


def test_a_further_page_has_what_the_filter_keeps_by_then() -> None:
    records = _records(*(_instance(each, {"model_group_id": "g"}, day=1) for each in "abcd"))
    walk = Walk(ListWalks(lambda: 0.0), "anna")
    pairs = (("limit", 2), ("model_group_id", "g"))

    assert _names(_page(records, *pairs, walk=walk)) == ["a", "b"]
    changed = _instance("c", {"model_group_id": "h"}, day=1)
    changed["metadata"]["resourceVersion"] = "2"
    assert records.put(changed)
    assert _names(_page(records, *pairs, ("page", 2), walk=walk)) == ["d"]
