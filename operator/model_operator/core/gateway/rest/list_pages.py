"""One page of a list, cut from one state of the objects."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from model_operator.core.gateway.rest.accounts import Accounts
from model_operator.core.gateway.rest.list_queries import ListQuery
from model_operator.core.gateway.rest.list_walks import ListWalks
from model_operator.core.gateway.rest.model_answers import OPTIONAL_FIELDS
from model_operator.core.gateway.rest.record_form import DEPLOYMENT_CELLS, DeploymentRecord, Record, cell_of
from model_operator.core.gateway.rest.records import Records
from model_operator.core.gateway.rest.shared_templates import stated_name
from model_operator.core.gateway.rest.sorting import Cell, Key, window

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Walk:
    """A client that may go from page to page.

    Attributes
    ----------
    walks
        Those under way.
    client
        Who it is: pages of one user are never cut from what another user's list had.
    """

    walks: ListWalks
    client: Hashable


_CELL_INDEX: Final = {name: index for index, name in enumerate(DEPLOYMENT_CELLS)}

ModelTypeOf = Callable[[Record], str | None]
"""Returns the type of a model whose specification leaves it to the template."""


def _unknown(_: Record) -> str | None:
    return None


def page_of(
    query: ListQuery,
    records: Records,
    is_visible: Callable[[str], bool],
    accounts: Accounts,
    answer: Callable[[Record], Any],
    model_type_of: ModelTypeOf = _unknown,
    walk: Walk | None = None,
) -> dict[str, Any]:
    """Return a page of models or templates.

    Parameters
    ----------
    query
        What the client wants.
    records
        The objects.
    is_visible
        Whether the caller may list the objects of a namespace; called once for each, with empty text for
        those of the cluster.
    accounts
        Accounts of the namespaces.
    answer
        Returns an item.
    model_type_of
        Returns the type of a model whose specification states none.
    walk
        Keeps what the client's next pages are cut from.
    """

    def type_of(record: Record) -> str | None:
        return record.spec("model_type") or model_type_of(record) or record.model_type

    visible = _visible(records, is_visible)
    is_kept = _filters(query, accounts, type_of)
    found = records.in_order()
    if len(visible) < len(records.namespaces()):
        found = [record for record in found if record.namespace in visible]
    if is_kept:
        found = [record for record in found if all(keeps(record) for keeps in is_kept)]
    keys: list[Key[Record]] = [(_cell(key.field, accounts, type_of), key.descending) for key in query.sort_by]

    def by_uid(uid: str) -> Record | None:
        record = records.by_uid(uid)
        if record is None or record.namespace not in visible:
            return None
        return record if all(keeps(record) for keeps in is_kept) else None

    cut = _cut(query, found, keys, walk, lambda record: record.uid, by_uid)
    return _envelope(query, len(found), [answer(each) for each in cut])


def deployment_page_of(
    query: ListQuery,
    records: Records,
    is_visible: Callable[[str], bool],
    accounts: Accounts,
    answer: Callable[[Record, str], Any],
    walk: Walk | None = None,
) -> dict[str, Any]:
    """Return a page of the deployments of all models; see :func:`page_of`.

    Parameters
    ----------
    query, records, is_visible, accounts, walk
        As for :func:`page_of`.
    answer
        Returns an item, for an instance and the id of one of its deployments, as those that ``records`` was
        made with.
    """
    visible = _visible(records, is_visible)
    account = query.account_id
    owners: dict[str, Record] = {}
    if len(visible) == len(records.namespaces()) and account is None:
        found = records.deployments_in_order()
    else:
        owners = {
            record.uid: record
            for record in records.in_order()
            if record.namespace in visible
            and (account is None or accounts.matches(account, record.namespace, record.account_id))
        }
        found = [each for each in records.deployments_in_order() if each.instance in owners]

    def owner_of(deployment: DeploymentRecord) -> Record:
        record = records.by_uid(deployment.instance)
        assert record is not None  # noqa: S101 -- it has the deployment
        return record

    def account_of(deployment: DeploymentRecord) -> str:
        record = owner_of(deployment)
        return accounts.account_of(record.namespace, record.account_id)

    own: dict[str, Callable[[DeploymentRecord], Cell]] = {
        "id": lambda each: each.id,
        "created_at": lambda each: each.created_at,
        "model_instance_id": lambda each: each.instance,
        "account_id": account_of,
    }
    keys: list[Key[DeploymentRecord]] = [
        (own.get(key.field) or _deployment_cell(key.field), key.descending) for key in query.sort_by
    ]
    cut = _cut(query, found, keys, walk, lambda each: each.id, _finder(found))
    return _envelope(query, len(found), [answer(owner_of(each), each.id) for each in cut])


def page_of_answers(query: ListQuery, answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a page of what is answered anyway, such as the deployments of one model."""
    found = sorted(answers, key=lambda each: (each["created_at"], each["id"]))
    keys: list[Key[Mapping[str, Any]]] = [(_answered(key.field), key.descending) for key in query.sort_by]
    begin = (query.page - 1) * query.limit
    return _envelope(query, len(found), window(found, keys, begin, begin + query.limit))


def _answered(field: str) -> Callable[[Mapping[str, Any]], Cell]:
    return lambda answer: cell_of(answer.get(field))


def _deployment_cell(field: str) -> Callable[[DeploymentRecord], Cell]:
    index = _CELL_INDEX[field]
    return lambda each: each.cells[index]


def _visible(records: Records, is_visible: Callable[[str], bool]) -> set[str]:
    return {namespace for namespace in records.namespaces() if is_visible(namespace)}


def _filters(query: ListQuery, accounts: Accounts, type_of: ModelTypeOf) -> list[Callable[[Record], bool]]:
    account, model_type, group = query.account_id, query.model_type, query.model_group_id
    found: list[Callable[[Record], bool]] = []
    if account is not None:
        found.append(lambda record: accounts.matches(account, record.namespace, record.account_id))
    if model_type is not None:
        found.append(lambda record: type_of(record) == model_type)
    if group is not None:
        found.append(lambda record: record.spec("model_group_id") == group)
    return found


def _template_cell(record: Record) -> Cell:
    reference = record.template
    return None if reference.wanted is None else stated_name(reference.wanted, reference.template_namespace)


def _cell(field: str, accounts: Accounts, type_of: ModelTypeOf) -> Callable[[Record], Cell]:
    """Return how models sort by a field."""
    if field == "model_template_id":
        return _template_cell
    if field in OPTIONAL_FIELDS:
        return lambda record: record.spec(field)
    others: dict[str, Callable[[Record], Cell]] = {
        "name": lambda record: record.spec("name") or record.name,
        "model_type": type_of,
        "id": lambda record: record.uid,
        "created_at": lambda record: record.created_at,
        "account_id": lambda record: accounts.account_of(record.namespace, record.account_id),
        "created_by_user_id": lambda record: record.created_by_user_id,
        "created_by_identity_type": lambda record: record.created_by_identity_type,
        "request_schema": lambda record: record.schema(field),
        "response_schema": lambda record: record.schema(field),
        "supports_multi_turn": lambda record: record.supports_multi_turn,
        "deployment_count": lambda record: record.deployment_count,
        # The views: groups are not kept, but for their ids.
        "model_group": lambda record: record.spec("model_group_id"),
        "deployments": lambda record: record.deployment_count,
    }
    return others[field]


def _cut(
    query: ListQuery,
    found: Sequence[T],
    keys: Sequence[Key[T]],
    walk: Walk | None,
    id_of: Callable[[T], str],
    by_id: Callable[[str], T | None],
) -> list[T]:
    if walk is None:
        begin = (query.page - 1) * query.limit
        return window(found, keys, begin, begin + query.limit)
    key = (walk.client, replace(query, page=1))

    def part(begin: int, end: int) -> list[T]:
        return window(found, keys, begin, end)

    return walk.walks.cut(key, query.page, query.limit, len(found), part, id_of, by_id)


def _finder(found: Sequence[DeploymentRecord]) -> Callable[[str], DeploymentRecord | None]:
    """Return how to find a deployment by its id; the index is made with the first question."""
    index: dict[str, DeploymentRecord] = {}

    def find(deployment: str) -> DeploymentRecord | None:
        if not index:
            index.update({each.id: each for each in found})
        return index.get(deployment)

    return find


def _envelope(query: ListQuery, total: int, items: Sequence[Any]) -> dict[str, Any]:
    return {
        "items": list(items),
        "current_page": query.page,
        "items_per_page": query.limit,
        "total_item_count": total,
    }
