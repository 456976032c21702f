"""Create, read, list, change and delete deployments, which are entries of a ModelInstance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from model_operator.api import DeploymentState
from model_operator.core.gateway.access import LIST_MODELS
from model_operator.core.gateway.failures import Failure, FailureReason, invalid
from model_operator.core.gateway.naming import shown
from model_operator.core.gateway.rest.deployment_answers import (
    deployment_answer,
    deployment_answers,
    deployment_state,
)
from model_operator.core.gateway.rest.deployment_requests import read_deployment_patch, read_new_deployment
from model_operator.core.gateway.rest.deployment_specs import (
    DeploymentRef,
    deployment_loc,
    deployment_of,
    require_account,
    with_deployment,
    with_patched_deployment,
    without_deployment,
)
from model_operator.core.gateway.rest.instance_specs import template_entries
from model_operator.core.gateway.rest.list_pages import Walk, deployment_page_of, page_of_answers
from model_operator.core.gateway.rest.list_queries import Listed, read_list_query
from model_operator.core.gateway.rest.record_form import Record
from model_operator.core.gateway.rest.request_reading import read_object
from model_operator.core.values.violations import Loc
from model_operator.gateway.rest.control_call import ControlCall, Later, json_answer, page_answer
from model_operator.gateway.rest.lookup import Lookup
from model_operator.gateway.rest.model_operations import ModelOperations
from model_operator.gateway.rest.rest_tables import RestTables

Object = dict[str, Any]

READY_SECONDS: Final = 50.0
"""Longest wait for a deployment to be READY: the platform's client gives up after 60 seconds."""


class DeploymentOperations:
    """The operations of ``/v4/models/{id}/deployments`` and ``/v4/model-deployments``.

    Parameters
    ----------
    tables
        What the gateway knows.
    lookup
        Finds the objects that identifiers mean.
    models
        Changes models.
    ready_seconds
        Longest wait for a deployment to be READY.
    """

    def __init__(
        self,
        tables: RestTables,
        lookup: Lookup,
        models: ModelOperations,
        ready_seconds: float = READY_SECONDS,
    ) -> None:
        self._tables = tables
        self._lookup = lookup
        self._models = models
        self._ready_seconds = ready_seconds

    async def create(self, call: ControlCall) -> web.Response | Later:
        """Create a deployment; the same creation again gives the same deployment."""
        new = read_new_deployment(call.body)

        def change(live: Object) -> tuple[Object, DeploymentRef]:
            require_account(new, self._tables.account_of(live), live["metadata"]["namespace"])
            changed = with_deployment(live, new)
            return changed, _deployment(changed, new.entry_name)

        return await self._change(call, change, waits=new.wait_for_ready)

    async def patch(self, call: ControlCall) -> web.Response | Later:
        """Change a deployment: fields that are sent are replaced, ``null`` removes one, all others stay."""
        patch = read_deployment_patch(call.body)

        def change(live: Object) -> tuple[Object, DeploymentRef]:
            ref = _deployment(live, call.variables["deployment"])
            return with_patched_deployment(live, ref, patch), ref

        return await self._change(call, change, waits=bool(patch.get("wait_for_ready")))

    async def delete(self, call: ControlCall) -> web.Response:
        """Delete a deployment; its workers end in the background."""

        async def change(live: Object) -> Object:
            return without_deployment(live, _deployment(live, call.variables["deployment"]))

        await self._models.change(call, change, {})
        return json_answer({"count": 1, "success": True})

    async def get(self, call: ControlCall) -> web.Response:
        """Return a deployment."""
        live = await self._lookup.model(call, call.variables["model"])
        self._tables.put_instance(live)
        return json_answer(self._answer(live, _deployment(live, call.variables["deployment"])))

    async def list(self, call: ControlCall) -> web.Response:
        """List the deployments of a model."""
        query = read_list_query(call.query, Listed.DEPLOYMENTS)
        live = await self._lookup.model(call, call.variables["model"])
        self._tables.put_instance(live)
        metadata, stated = live["metadata"], live["spec"].get("account_id")
        is_listed = query.account_id is None or self._tables.accounts.matches(
            query.account_id, metadata["namespace"], stated
        )
        return json_answer(page_of_answers(query, self._answers(live) if is_listed else []))

    async def list_all(self, call: ControlCall) -> web.Response:
        """List the deployments of all models that the caller may list."""
        query = read_list_query(call.query, Listed.DEPLOYMENTS, call.account)
        records = self._tables.records
        is_visible = await self._lookup.visible_namespaces(call, LIST_MODELS, records.namespaces())
        accounts = self._tables.accounts
        walk = Walk(self._tables.walks, call.caller.key)
        page = deployment_page_of(query, records, is_visible, accounts, _of_record, walk)
        made: dict[str, Mapping[str, Any]] = {}

        def answer(item: tuple[Record, str]) -> Any:
            record, identifier = item
            if record.uid not in made:
                made[record.uid] = {each["id"]: each for each in self._answers(record.object())}
            return made[record.uid][identifier]

        return await page_answer(page, answer)

    async def _change(
        self, call: ControlCall, change: Callable[[Object], tuple[Object, DeploymentRef]], *, waits: bool
    ) -> web.Response | Later:
        """Change a model for one of its deployments, and answer with that deployment.

        Parameters
        ----------
        call
            The request.
        change
            Returns the changed instance for the one that was read, and the deployment in it.
        waits
            Whether to answer once the deployment is READY.
        """
        ref: DeploymentRef | None = None

        async def judged(live: Object) -> Object:
            nonlocal ref
            changed, ref = change(live)
            if changed is not live:
                template = self._tables.template_of(changed)
                if entries := template_entries(changed, template, deployment_loc(ref)):
                    raise invalid(*entries)
            return changed

        def loc_of(loc: Loc) -> tuple[str | int, ...] | None:
            return None if ref is None else deployment_loc(ref)(loc)

        written = await self._models.change(call, judged, read_object(call.body), loc_of)
        changed = _deployment(written, "" if ref is None else ref.id)
        if not waits:
            return json_answer(self._answer(written, changed))

        async def later() -> web.Response:
            present = await self._ready(written, changed)
            return json_answer(self._answer(present, _deployment(present, changed.id)))

        return later

    async def _ready(self, written: Object, deployment: DeploymentRef) -> Object:
        """Return a model when one of its deployments is READY, or as it is after the longest wait.

        Raises
        ------
        Failure
            ``NOT_FOUND`` when the model or the deployment is deleted meanwhile.
        """
        uid = written["metadata"]["uid"]
        records = self._tables.records
        seen = -1
        present = written

        def find() -> Object | None:
            nonlocal seen, present
            record = records.by_uid(uid)
            if record is None:
                if records.was_deleted(uid):
                    raise _missing(deployment.shown_name)
                return None
            if record.version == seen:
                return None
            seen = record.version
            # The table has what was written, or a later version.
            present = record.object()
            state = deployment_state(present, _deployment(present, deployment.id))
            return present if state is DeploymentState.READY else None

        return await self._tables.until(find, self._ready_seconds) or present

    def _answer(self, instance: Object, ref: DeploymentRef) -> dict[str, Any]:
        template = self._tables.template_of(instance)
        return deployment_answer(instance, ref, self._tables.account_of(instance), template)

    def _answers(self, instance: Object) -> Sequence[dict[str, Any]]:
        template = self._tables.template_of(instance)
        return deployment_answers(instance, self._tables.account_of(instance), template)


def _of_record(record: Record, identifier: str) -> tuple[Record, str]:
    return record, identifier


def _deployment(instance: Mapping[str, Any], identifier: str) -> DeploymentRef:
    found = deployment_of(instance, identifier)
    if found is None:
        raise _missing(identifier)
    return found


def _missing(identifier: str) -> Failure:
    return Failure(
        FailureReason.NOT_FOUND,
        f"the model has no deployment {shown(identifier)}. Action (user): use the id or the name of one; the "
        "list of the model's deployments has them.",
    )
