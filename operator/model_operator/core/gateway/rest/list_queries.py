"""Query of a list: page, order, filters and views; and of one object, which has views alone.

The platform's client sends several values as one, joined by commas; its document has them repeated. Both are
read, and parameters that a list does not have are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final, Protocol

from pydantic import Field, TypeAdapter, ValidationError

from model_operator.core.gateway.failures import invalid
from model_operator.core.gateway.rest.entries import QUERY, Entry
from model_operator.core.gateway.rest.model_answers import OPTIONAL_FIELDS
from model_operator.core.gateway.rest.request_reading import entries_of
from model_operator.core.values.words import alternatives

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 10_000
_FIRST_PAGE: Final = 1
_NULL: Final = "null"


class Listed(StrEnum):
    """What a list consists of, or what is read alone."""

    MODEL = "model"
    TEMPLATE = "template"
    MODELS = "models"
    DEPLOYMENTS = "deployments"
    TEMPLATES = "templates"


class View(StrEnum):
    """A part of a model that its answer has only on request, or another form of the answer."""

    DEPLOYMENTS = "Deployments"
    MODEL_GROUP = "ModelGroup"
    MANIFEST = "manifest"
    """The object as YAML to commit; of one object alone, and not of the platform."""


_ENTITY: Final = ("id", "created_at", "account_id", "created_by_user_id", "created_by_identity_type", "name")
SORT_FIELDS: Final = {
    Listed.MODELS: (
        *OPTIONAL_FIELDS,
        "model_group",
        "request_schema",
        "response_schema",
        "deployment_count",
        "supports_multi_turn",
        "deployments",
        *_ENTITY,
        "model_type",
    ),
    Listed.DEPLOYMENTS: (
        "model_creation_parameters",
        "model_endpoint_id",
        "model_instance_id",
        "vendor_configuration",
        "deployment_metadata",
        "status",
        *_ENTITY,
    ),
}
"""Fields by which each list can be sorted, in the order of the platform's document."""

_LISTS: Final = frozenset({Listed.MODELS, Listed.DEPLOYMENTS, Listed.TEMPLATES})
_VIEWS: Final = {
    Listed.MODEL: (View.DEPLOYMENTS, View.MODEL_GROUP, View.MANIFEST),
    Listed.MODELS: (View.DEPLOYMENTS, View.MODEL_GROUP),
    Listed.TEMPLATE: (View.MANIFEST,),
}

_DIRECTIONS: Final = {"asc": False, "desc": True}


@dataclass(frozen=True, slots=True)
class SortKey:
    """One field that a list is sorted by.

    Attributes
    ----------
    field
        Its name in the answer.
    descending
        Whether the greatest value comes first.
    """

    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What a client wants of a list, or of one object.

    Attributes
    ----------
    kind
        What the list consists of.
    limit
        Items of a page, 1 to 10,000.
    page
        Number of the page, from 1.
    sort_by
        Fields that decide before the default order, the first one first; each field once.
    views
        Parts that the answers shall have.
    account_id, model_type, model_group_id
        Filters; None for all.
    """

    kind: Listed
    limit: int = DEFAULT_LIMIT
    page: int = _FIRST_PAGE
    sort_by: tuple[SortKey, ...] = ()
    views: frozenset[View] = frozenset()
    account_id: str | None = None
    model_type: str | None = None
    model_group_id: str | None = None


class Query(Protocol):
    """Parameters of a query, of which each may be there several times."""

    def getall(self, key: str, default: list[str]) -> list[str]:
        """Return all values of a parameter."""
        ...


def read_list_query(query: Query, kind: Listed, selected_account: str = "") -> ListQuery:
    """Return the query of a list, or of one object.

    Parameters
    ----------
    query
        As sent, decoded.
    kind
        What is listed.
    selected_account
        Header ``x-selected-account-id``: the account where the query names none.

    Raises
    ------
    Failure
        INVALID, with all that is wrong, each under ``query``.
    """
    wrong: list[Entry] = []
    is_list, is_models = kind in _LISTS, kind is Listed.MODELS
    found = ListQuery(
        kind,
        _number(query, "limit", _LIMIT, DEFAULT_LIMIT, wrong) if is_list else DEFAULT_LIMIT,
        _number(query, "page", _PAGE, _FIRST_PAGE, wrong) if is_list else _FIRST_PAGE,
        _sort_keys(query, kind, wrong),
        _views(query, kind, wrong),
        _filter(query, "account_id") or selected_account or None if is_list else None,
        _filter(query, "model_type") if is_models else None,
        _filter(query, "model_group_id") if is_models else None,
    )
    if wrong:
        raise invalid(*wrong)
    return found


_LIMIT: Final = TypeAdapter[int](Annotated[int, Field(ge=1, le=MAX_LIMIT)]).validate_python
_PAGE: Final = TypeAdapter[int](Annotated[int, Field(ge=1)]).validate_python


def _number(query: Query, name: str, validate: Callable[[str], int], default: int, wrong: list[Entry]) -> int:
    """Return the last value of a parameter, as the platform's framework does."""
    values = query.getall(name, [])
    if not values:
        return default
    try:
        return validate(values[-1])
    except ValidationError as error:
        wrong.extend(entries_of(error, (QUERY, name)))
        return default


def _filter(query: Query, name: str) -> str | None:
    values = query.getall(name, [])
    return None if not values or values[-1] in ("", _NULL) else values[-1]


def _values(query: Query, name: str) -> Iterator[str]:
    for text in query.getall(name, []):
        for part in text.split(","):
            if (value := part.strip()) not in ("", _NULL):
                yield value


def _sort_keys(query: Query, kind: Listed, wrong: list[Entry]) -> tuple[SortKey, ...]:
    fields = SORT_FIELDS.get(kind)
    if not fields:
        return ()
    found: dict[str, SortKey] = {}
    for value in _values(query, "sort_by"):
        field, _, direction = value.partition(":")
        if field in fields and direction in _DIRECTIONS:
            # What is equal by a field stays so when that field decides once more.
            found.setdefault(field, SortKey(field, _DIRECTIONS[direction]))
        else:
            expected = (
                f"a field and a direction, such as 'name:asc' or 'name:desc'; fields: {', '.join(fields)}"
            )
            wrong.append(_literal_error("sort_by", expected, value))
    return tuple(found.values())


def _views(query: Query, kind: Listed, wrong: list[Entry]) -> frozenset[View]:
    views = _VIEWS.get(kind)
    if not views:
        return frozenset()
    found = set()
    for value in _values(query, "view"):
        if value in views:
            found.add(View(value))
        else:
            wrong.append(_literal_error("view", alternatives([f"'{view}'" for view in views]), value))
    return frozenset(found)


def _literal_error(name: str, expected: str, value: str) -> Entry:
    return Entry((QUERY, name), f"Input should be {expected}", "literal_error", value, {"expected": expected})
