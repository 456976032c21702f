"""Dispatches a request of the platform's REST API to its operation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from http import HTTPMethod
from typing import Final

from aiohttp import web

from model_operator.core.gateway.access import Caller
from model_operator.core.gateway.failures import NO_RETRY, Failure, FailureReason
from model_operator.core.gateway.rest.control_routes import ControlMatch, Operation
from model_operator.core.objects.ownership import REST_MANAGER
from model_operator.gateway.identity import Identity
from model_operator.gateway.rest.control_call import ControlCall, Later
from model_operator.gateway.rest.creation import Creation
from model_operator.gateway.rest.deployment_operations import DeploymentOperations
from model_operator.gateway.rest.lookup import Lookup
from model_operator.gateway.rest.model_operations import ModelOperations
from model_operator.gateway.rest.rest_tables import RestTables
from model_operator.gateway.rest.template_operations import TemplateOperations
from model_operator.kube.client import ApiClient
from model_operator.kube.connection import Connection

Run = Callable[[ControlCall], Awaitable[web.Response | Later]]

_MAX_BODY_BYTES: Final = 3 * 1024 * 1024
"""As for requests to the API server."""
_WARNING: Final = "Warning"
"""Header of a response: what the API server or a webhook says about a write that it has accepted."""


class RestApi:
    """The operations of the REST API.

    Parameters
    ----------
    tables
        What the gateway knows.
    identity
        What callers may do.
    connection
        The API server, without credentials of the gateway.
    clock
        Time now, in UTC.
    """

    def __init__(
        self,
        tables: RestTables,
        identity: Identity,
        connection: Connection,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._connection = connection
        self._running: set[asyncio.Task[web.Response | Later]] = set()
        lookup = Lookup(tables, identity)
        creation = Creation(tables, identity, clock)
        models = ModelOperations(tables, lookup, creation)
        deployments = DeploymentOperations(tables, lookup, models)
        templates = TemplateOperations(tables, identity, lookup, creation)
        self._operations: Mapping[Operation, Run] = {
            Operation.CREATE_MODEL: models.create,
            Operation.LIST_MODELS: models.list,
            Operation.GET_MODEL: models.get,
            Operation.PATCH_MODEL: models.patch,
            Operation.DELETE_MODEL: models.delete,
            Operation.CREATE_DEPLOYMENT: deployments.create,
            Operation.LIST_DEPLOYMENTS: deployments.list,
            Operation.LIST_ALL_DEPLOYMENTS: deployments.list_all,
            Operation.GET_DEPLOYMENT: deployments.get,
            Operation.PATCH_DEPLOYMENT: deployments.patch,
            Operation.DELETE_DEPLOYMENT: deployments.delete,
            Operation.CREATE_TEMPLATE: templates.create,
            Operation.LIST_TEMPLATES: templates.list,
            Operation.GET_TEMPLATE: templates.get,
            Operation.DELETE_TEMPLATE: templates.delete,
            Operation.NOT_IMPLEMENTED: _not_implemented,
        }

    async def answer(
        self,
        request: web.Request,
        match: ControlMatch,
        operation: Operation,
        caller: Caller,
        token: str,
        body: bytes,
    ) -> web.Response:
        """Answer a request.

        Parameters
        ----------
        request
            The request.
        match
            What its path matches.
        operation
            That of its method.
        caller, token
            Who sends it, and the token that the API server accepts.
        body
            Its body.

        Raises
        ------
        Failure
            Whatever keeps the operation from succeeding.
        """
        if len(body) > _MAX_BODY_BYTES:
            raise Failure(
                FailureReason.BODY_TOO_LARGE,
                f"the body has more than {_MAX_BODY_BYTES} bytes, the limit of the API server. "
                "Action (user): send less.",
            )
        warnings: list[str] = []
        client = ApiClient(self._connection, token=token, manager=REST_MANAGER, warnings=warnings)
        call = ControlCall(operation, match.variables, request.query, request.headers, body, caller, client)
        run = self._operations[operation](call)
        if request.method == HTTPMethod.GET:
            return await _finished(await run)
        # A client that leaves does not leave a change half made.
        task = asyncio.ensure_future(run)
        self._running.add(task)
        task.add_done_callback(self._ended)
        response = await _finished(await asyncio.shield(task))
        for warning in dict.fromkeys(warnings):
            response.headers.add(_WARNING, warning)
        return response

    async def close(self) -> None:
        """Wait for the changes whose clients have left."""
        await asyncio.gather(*self._running, return_exceptions=True)

    def _ended(self, task: asyncio.Task[web.Response | Later]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            # Its client may have left: then nothing else reads the exception.
            task.exception()


async def _finished(outcome: web.Response | Later) -> web.Response:
    return outcome if isinstance(outcome, web.Response) else await outcome()


async def _not_implemented(_: ControlCall) -> web.Response:
    raise Failure(
        FailureReason.NOT_IMPLEMENTED,
        "model groups, model servers and usage statistics are not implemented. Lists of models filter by "
        "model_group_id, the gateway itself is the stable address of a model, and its metrics count requests "
        "and tokens.",
        headers=NO_RETRY,
    )
