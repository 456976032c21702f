"""Create, read, list, change and delete models, which are ModelInstances."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Final

from aiohttp import web

from model_operator.core.gateway.access import LIST_MODELS
from model_operator.core.gateway.failures import Failure, FailureReason, invalid
from model_operator.core.gateway.naming import shown
from model_operator.core.gateway.rest.api_refusals import LocOf, body_loc
from model_operator.core.gateway.rest.default_templates import default_template, lacks_template
from model_operator.core.gateway.rest.deployment_answers import deployment_answers
from model_operator.core.gateway.rest.entries import BODY, Entry, merged
from model_operator.core.gateway.rest.instance_specs import new_instance, patched_instance, template_entries
from model_operator.core.gateway.rest.list_pages import Walk, page_of
from model_operator.core.gateway.rest.list_queries import Listed, View, read_list_query
from model_operator.core.gateway.rest.model_answers import model_answer
from model_operator.core.gateway.rest.model_requests import read_model_draft, read_model_patch
from model_operator.core.gateway.rest.owned_changes import require_unowned
from model_operator.core.gateway.rest.shared_templates import stated_template, with_template_namespace
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.gateway.rest.control_call import (
    ControlCall,
    api_failure,
    json_answer,
    manifest_answer,
    page_answer,
)
from model_operator.gateway.rest.creation import MODELS, Creation
from model_operator.gateway.rest.lookup import Lookup
from model_operator.gateway.rest.rest_tables import RestTables
from model_operator.kube.errors import ApiError, ConflictError
from model_operator.kube.resources import MODEL_INSTANCES

Object = dict[str, Any]

_VENDOR_LOC: Final = (BODY, "model_vendor")
_TEMPLATE_LOC: Final = (BODY, "model_template_id")
_NAMING: Final = ("model_template_id", "model_template_kind", "model_template_namespace")
"""Fields that name the template."""
_ATTEMPTS: Final = 3
"""Writes of a change: another writer may come between reading and writing."""
_WRITES: Final = 20
"""Writes in all, with those that only a new status came between."""
_TEMPLATE_SECONDS: Final = 1.0
"""Time within which the watch brings a template that another replica has just created."""


class ModelOperations:
    """The operations of ``/v4/models`` and ``/v4/models/{id}``.

    Parameters
    ----------
    tables
        What the gateway knows.
    lookup
        Finds the objects that identifiers mean.
    creation
        Creates objects.
    """

    def __init__(self, tables: RestTables, lookup: Lookup, creation: Creation) -> None:
        self._tables = tables
        self._lookup = lookup
        self._creation = creation

    async def create(self, call: ControlCall) -> web.Response:
        """Create a model; the same creation again gives the same model."""
        request, wrong = read_model_draft(call.body)
        if "account_id" not in request.model_fields_set:
            raise invalid(*wrong)
        namespace, may_create = await self._creation.account(call, request.account_id, MODELS, wrong)
        wanted = new_instance(request, namespace, request.account_id, call.caller.username)
        # A caller who may not create models there learns nothing of the templates.
        if may_create:
            wanted = self._with_default_template(wanted)
            found = await self._entries(wanted)
            if any(each.loc == _VENDOR_LOC for each in wrong):
                # Whether it needs a template depends on the vendor, which is not known.
                found = tuple(each for each in found if each.type != "missing" or each.loc != _TEMPLATE_LOC)
            wrong = merged(wrong, found)
            wanted = with_template_namespace(wanted, self._tables.templates)
        if wrong:
            raise invalid(*wrong)
        body = request.model_dump(mode="json", exclude_unset=True)
        made = await self._creation.create(
            call, MODELS, wanted, account=request.account_id, may_create=may_create, body=body
        )
        self._tables.put_instance(made)
        return json_answer(self._answer(made))

    async def list(self, call: ControlCall) -> web.Response:
        """List the models that the caller may list."""
        query = read_list_query(call.query, Listed.MODELS, call.account)
        tables = self._tables
        is_visible = await self._lookup.visible_namespaces(call, LIST_MODELS, tables.records.namespaces())
        page = page_of(
            query,
            tables.records,
            is_visible,
            tables.accounts,
            lambda record: record,
            tables.model_type_of,
            Walk(tables.walks, call.caller.key),
        )
        return await page_answer(page, lambda record: self._answer(record.object(), query.views))

    async def get(self, call: ControlCall) -> web.Response:
        """Return a model, or its manifest."""
        views = read_list_query(call.query, Listed.MODEL).views
        live = await self._lookup.model(call, call.variables["model"])
        self._tables.put_instance(live)
        if View.MANIFEST in views:
            return manifest_answer(live, self._tables.template_of(live))
        return json_answer(self._answer(live, views))

    async def patch(self, call: ControlCall) -> web.Response:
        """Change a model: fields that are sent are replaced, ``null`` removes one, all others stay."""
        patch = read_model_patch(call.body)

        async def change(live: Object) -> Object:
            account = self._tables.account_of(live)
            changed = patched_instance(live, patch, account)
            if changed["spec"] != live["spec"] and (entries := await self._entries(changed, live)):
                raise invalid(*entries)
            return with_template_namespace(changed, self._tables.templates)

        return json_answer(self._answer(await self.change(call, change, patch)))

    async def delete(self, call: ControlCall) -> web.Response:
        """Delete a model; its workers end in the background."""
        live = await self._lookup.model(call, call.variables["model"])
        require_unowned(live, force=call.is_forced)
        metadata = live["metadata"]
        try:
            await call.client.delete(
                MODEL_INSTANCES, metadata["namespace"], metadata["name"], metadata["uid"]
            )
        except ApiError as error:
            raise api_failure(error) from error
        self._tables.deleted_instance(live)
        return json_answer({"count": 1, "success": True})

    async def change(
        self,
        call: ControlCall,
        change: Callable[[Object], Awaitable[Object]],
        body: Mapping[str, Any],
        loc_of: LocOf = body_loc,
    ) -> Object:
        """Read an instance, change it, and write it back unless it has changed meanwhile.

        Parameters
        ----------
        call
            The request; its variable ``model`` names the instance.
        change
            Returns the changed object for the one that was read.
        body
            The body of the request, whose values the entries of a failure show.
        loc_of
            Returns the place in the body of a field of the object.

        Returns
        -------
        dict
            The instance as written.

        Raises
        ------
        Failure
            ``CONFLICT`` after three changes by others, or when a GitOps controller owns the instance.
        """
        attempts, generation = 0, None
        for _ in range(_WRITES):
            live = await self._lookup.model(call, call.variables["model"])
            require_unowned(live, force=call.is_forced)
            changed = await change(live)
            # The operator, which reports on what a client has just written, changes the version alone.
            attempts += live["metadata"].get("generation") != generation
            generation = live["metadata"].get("generation")
            try:
                # Also what changes nothing, of which the API server stores no new version: it decides whether
                # the caller may change the model at all.
                written = await call.client.replace(MODEL_INSTANCES, changed)
            except ConflictError as error:
                if attempts < _ATTEMPTS:
                    continue
                raise _busy(live["metadata"]["name"]) from error
            except ApiError as error:
                raise api_failure(error, body, loc_of) from error
            self._tables.put_instance(written)
            return written
        raise _busy(call.variables["model"])

    def _answer(self, instance: Object, views: Collection[View] = ()) -> dict[str, Any]:
        account = self._tables.account_of(instance)
        template = self._tables.template_of(instance)
        answer = model_answer(instance, account, template)
        if View.DEPLOYMENTS in views:
            answer["deployments"] = deployment_answers(instance, account, template)
        return answer

    async def _entries(self, instance: Object, live: Object | None = None) -> tuple[Entry, ...]:
        """Return what is wrong with an instance by itself and by its template: the webhook may be absent.

        Parameters
        ----------
        instance
            The object that is about to be written.
        live
            The one that it replaces. A template that this names already may be gone: other fields can change.
        """
        template_id = instance["spec"].get("model_template_id")
        if not template_id:
            return template_entries(instance, None)
        if live is not None and _names_alike(live, instance):
            return template_entries(instance, self._tables.template_of(instance))
        template = await self._tables.until(lambda: self._template_of_new(instance), _TEMPLATE_SECONDS)
        if template is not None:
            return template_entries(instance, template)
        # One that is not shared with this account is answered like one that does not exist.
        message = (
            "there is no such template, or it is not shared with this account: expected the id or the name "
            "of a ModelTemplate in this account or of a ClusterModelTemplate, or the id or namespace/name of "
            "a ModelTemplate that is shared with it"
        )
        missing = Entry(_TEMPLATE_LOC, message, "template_not_found", stated_template(instance["spec"]))
        return merged((missing,), template_entries(instance, None))

    def _template_of_new(self, instance: Object) -> CompiledTemplate | None:
        tables = self._tables
        return tables.template_of(with_template_namespace(instance, tables.templates))

    def _with_default_template(self, instance: Object) -> Object:
        """Return an instance with the default template of its type, if it needs one and names none."""
        if not lacks_template(instance):
            return instance
        namespace, model_type = instance["metadata"]["namespace"], instance["spec"].get("model_type")
        templates = self._tables.templates
        found = default_template(templates, namespace, model_type, templates.labels_of(namespace))
        if found is None:
            return instance
        return {**instance, "spec": {**instance["spec"], **found}}


def _names_alike(instance: Object, other: Object) -> bool:
    return all(instance["spec"].get(each) == other["spec"].get(each) for each in _NAMING)


def _busy(name: str) -> Failure:
    return Failure(
        FailureReason.CONFLICT,
        f"others change the model {shown(name)} at the same time. Action (user): send the request again.",
        headers={"Retry-After": "1"},
    )
