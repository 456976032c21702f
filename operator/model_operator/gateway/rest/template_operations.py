"""Create, read, list and delete templates; over REST a template never changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web

from model_operator.core.gateway.access import (
    DELETE_CLUSTER_TEMPLATES,
    DELETE_TEMPLATES,
    LIST_CLUSTER_TEMPLATES,
    LIST_MODELS,
    LIST_TEMPLATES,
)
from model_operator.core.gateway.failures import NO_RETRY, Failure, FailureReason, invalid
from model_operator.core.gateway.naming import shown
from model_operator.core.gateway.rest.list_pages import page_of_answers
from model_operator.core.gateway.rest.list_queries import Listed, View, read_list_query
from model_operator.core.gateway.rest.owned_changes import require_unowned
from model_operator.core.gateway.rest.record_form import Record
from model_operator.core.gateway.rest.request_reading import read_object
from model_operator.core.gateway.rest.template_answers import EVERY_ACCOUNT, template_answer
from model_operator.core.gateway.rest.template_requests import read_new_template
from model_operator.core.gateway.rest.template_specs import new_template, template_faults
from model_operator.core.values.words import plural
from model_operator.gateway.identity import Identity
from model_operator.gateway.rest.control_call import (
    ControlCall,
    api_failure,
    json_answer,
    manifest_answer,
    page_answer,
)
from model_operator.gateway.rest.creation import TEMPLATES, Creation
from model_operator.gateway.rest.lookup import Lookup
from model_operator.gateway.rest.rest_tables import RestTables
from model_operator.kube.errors import ApiError
from model_operator.kube.object_cache import version_of
from model_operator.kube.resources import CLUSTER_MODEL_TEMPLATES, MODEL_TEMPLATES

Object = dict[str, Any]

_KINDS = {each.kind: each for each in (MODEL_TEMPLATES, CLUSTER_MODEL_TEMPLATES)}


_MOST_NAMES: Final = 5
"""Names of models in a message."""


class TemplateOperations:
    """The operations of ``/v4/model-templates`` and ``/v4/model-templates/{id}``.

    Parameters
    ----------
    tables
        What the gateway knows.
    identity
        What callers may do.
    lookup
        Finds the objects that identifiers mean.
    creation
        Creates objects.
    """

    def __init__(self, tables: RestTables, identity: Identity, lookup: Lookup, creation: Creation) -> None:
        self._tables = tables
        self._identity = identity
        self._lookup = lookup
        self._creation = creation

    async def create(self, call: ControlCall) -> web.Response:
        """Create a ModelTemplate; the same creation again gives the same template."""
        request = read_new_template(call.body)
        sent = read_object(call.body)
        account = request.account_id
        wrong = template_faults(new_template(request, account, account, call.caller.username), sent)
        namespace, may_create = await self._creation.account(call, account, TEMPLATES, wrong)
        if wrong:
            raise invalid(*wrong)
        wanted = new_template(request, namespace, account, call.caller.username)
        made = await self._creation.create(
            call, TEMPLATES, wanted, account=account, may_create=may_create, body=sent
        )
        self._tables.put_template(made)
        return json_answer(self._answer(made))

    async def list(self, call: ControlCall) -> web.Response:
        """List the templates that the caller may list; those of the cluster belong to every account."""
        query = read_list_query(call.query, Listed.TEMPLATES, call.account)
        templates, accounts = list(self._tables.templates), self._tables.accounts
        namespaces = {_namespace(each) for each in templates}
        is_visible = await self._lookup.visible_namespaces(call, LIST_TEMPLATES, namespaces - {""})
        sees_cluster = "" in namespaces and await self._identity.may(call.caller, LIST_CLUSTER_TEMPLATES, "")
        found = [
            {"created_at": each["metadata"].get("creationTimestamp", ""), "id": each["metadata"]["uid"]}
            | {"template": each}
            for each in templates
            if (is_visible(_namespace(each)) if _namespace(each) else sees_cluster)
            and (
                query.account_id is None
                or accounts.matches(query.account_id, _namespace(each), each["spec"].get("account_id"))
            )
        ]
        page = page_of_answers(query, found)
        return await page_answer(page, lambda each: self._answer(each["template"]))

    async def get(self, call: ControlCall) -> web.Response:
        """Return a template, or its manifest."""
        views = read_list_query(call.query, Listed.TEMPLATE).views
        live = await self._lookup.template(call, call.variables["template"])
        self._tables.put_template(live)
        return manifest_answer(live) if View.MANIFEST in views else json_answer(self._answer(live))

    async def delete(self, call: ControlCall) -> web.Response:
        """Delete a template that no model uses."""
        live = await self._lookup.template(call, call.variables["template"], for_deletion=True)
        require_unowned(live, force=call.is_forced)
        metadata = live["metadata"]
        users = await self._tables.users_of(live)
        if users:
            # The number is of all namespaces, so only a template owner gets it.
            action = DELETE_TEMPLATES if _namespace(live) else DELETE_CLUSTER_TEMPLATES
            if not await self._identity.may(call.caller, action, _namespace(live)):
                raise Failure(
                    FailureReason.FORBIDDEN,
                    f"you may not delete the template {shown(metadata['name'])}. Action (user): leave it to "
                    "the template owner.",
                )
            raise Failure(
                FailureReason.CONFLICT,
                f"the template {shown(metadata['name'])} is in use by {plural(len(users), 'model')}"
                f"{await self._named(call, users)}. Action (user): first delete what uses it, or have "
                "that use another template.",
                headers=NO_RETRY,
            )
        kind = _KINDS[live["kind"]]
        try:
            await call.client.delete(kind, _namespace(live), metadata["name"], metadata["uid"])
        except ApiError as error:
            raise api_failure(error) from error
        self._tables.remove_template(kind.kind, _namespace(live), metadata["name"], version_of(live))
        return json_answer({"count": 1, "success": True})

    async def _named(self, call: ControlCall, users: Sequence[Record]) -> str:
        """Return the names of the models that the caller may list, as the end of a clause."""
        namespaces = {each.namespace for each in users}
        is_visible = await self._lookup.visible_namespaces(call, LIST_MODELS, namespaces)
        visible = [f"{each.namespace}/{each.name}" for each in users if is_visible(each.namespace)]
        named = visible[:_MOST_NAMES]
        if not named:
            return ""
        return f"{', such as' if len(named) < len(users) else ':'} {', '.join(named)}"

    def _answer(self, template: Object) -> dict[str, Any]:
        account = self._tables.account_of(template) if _namespace(template) else EVERY_ACCOUNT
        return template_answer(template, account)


def _namespace(template: Object) -> str:
    return str(template["metadata"].get("namespace", ""))
