"""The API: from a request to a call of one deployment, and every failure in the shape of the caller's API."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from http import HTTPMethod, HTTPStatus
from types import MappingProxyType
from typing import Final, Protocol

import structlog
from aiohttp import web
from multidict import CIMultiDictProxy

from model_operator.core.gateway.access import Caller
from model_operator.core.gateway.apis import Family, Match, ModelField, match, treatment
from model_operator.core.gateway.bodies import read_request
from model_operator.core.gateway.failures import Failure, FailureReason, response_of
from model_operator.core.gateway.headers import ACCOUNT_HEADER
from model_operator.core.gateway.model_catalog import Catalog
from model_operator.core.gateway.models import Deployment, Model
from model_operator.core.gateway.naming import (
    Candidate,
    candidates,
    choose,
    deployment_named,
    not_found,
    only,
)
from model_operator.core.gateway.rest.control_routes import (
    ControlMatch,
    Operation,
    control_match,
    operation_of,
)
from model_operator.core.gateway.translation import check_bindings
from model_operator.core.gateway.wrong_paths import advice_on
from model_operator.core.values.json_values import wire_json
from model_operator.gateway.calls import CLIENT_CLOSED_STATUS, SERVER, Call
from model_operator.gateway.intake import Intake, Place
from model_operator.gateway.metrics.counting import CLIENT_CLOSED
from model_operator.gateway.model_listing import PATH as MODELS_PATH
from model_operator.gateway.model_listing import entry, listing, name_in
from model_operator.gateway.pages.model_page import PATH as MODEL_PAGE_PATH
from model_operator.gateway.pages.model_page import ROUTE as MODEL_PAGE_ROUTE
from model_operator.gateway.pages.model_page import ModelPage
from model_operator.gateway.pages.open_pages import ROUTE as PAGE_ROUTE
from model_operator.gateway.pages.open_pages import OpenPage, OpenPages, page_response

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_DEFECT: Final = "the gateway has a defect; its log has the details."
_ANY_PATH: Final = r"/{path:[\s\S]*}"


class IdentityProvider(Protocol):
    """Who calls, and what they may execute."""

    async def authenticate(self, headers: CIMultiDictProxy[str]) -> Caller:
        """Return the caller of a request; raise a Failure when there is none."""
        ...

    async def authenticate_for_cluster(self, headers: CIMultiDictProxy[str]) -> tuple[Caller, str]:
        """Return the caller, and the key, which the API server accepts; raise a Failure otherwise."""
        ...

    async def may_execute(self, caller: Caller, namespace: str, name: str) -> bool:
        """Return whether the caller may execute a model."""
        ...

    async def filter(self, caller: Caller, models: Sequence[Model]) -> list[Model]:
        """Return the models that the caller may execute."""
        ...


class ControlApi(Protocol):
    """Answers the requests of the platform's REST API."""

    async def answer(
        self,
        request: web.Request,
        match: ControlMatch,
        operation: Operation,
        caller: Caller,
        token: str,
        body: bytes,
    ) -> web.Response:
        """Return the response; raise a Failure when there is none."""
        ...


class Answered(Protocol):
    """Takes note of a request that no worker answers."""

    def __call__(
        self,
        method: str,
        route: str,
        status: int,
        seconds: float,
        *,
        error: str = "",
        caller: str = "",
        model: str = "",
    ) -> None:
        """Take note of its end."""
        ...


def _ignore(*_: object, **__: object) -> None:
    pass


class Answerer(Protocol):
    """Answers a call by a worker."""

    async def answer(self, request: web.Request, call: Call) -> web.StreamResponse:
        """Return the response; raise a Failure while nothing has been sent."""
        ...


@dataclass(slots=True)
class _Progress:
    """How far a request has come, for its access line."""

    method: str
    begun: float
    route: str = ""
    caller: str = ""
    model: str = ""
    is_observed: bool = False


class Gateway:
    """Answers all requests of the API's port.

    Parameters
    ----------
    catalog
        The registered models.
    identity
        Who calls, and what they may execute.
    answerer
        Calls a worker.
    intake
        Bounds of the bodies.
    is_ready
        Whether a deployment has a ready worker.
    control
        Answers the requests of the REST API.
    namespaces_of
        Returns the namespaces of an account.
    answered
        Takes note of requests that no worker answers; the answerer's observer takes note of the others.
    share
        Returns a random number in [0, 1), for the weights.
    has_body
        Called when the body of a request is complete.
    pages
        What is served without credentials.
    model_page
        The page at ``/``; None for none.
    """

    def __init__(
        self,
        catalog: Catalog,
        identity: IdentityProvider,
        answerer: Answerer,
        intake: Intake,
        is_ready: Callable[[Deployment], bool],
        control: ControlApi,
        namespaces_of: Callable[[str], Collection[str]],
        answered: Answered = _ignore,
        share: Callable[[], float] = random.random,
        has_body: Callable[[web.Request], None] = _ignore,
        pages: OpenPages = MappingProxyType({}),
        model_page: ModelPage | None = None,
    ) -> None:
        self._catalog = catalog
        self._identity = identity
        self._answerer = answerer
        self._intake = intake
        self._is_ready = is_ready
        self._control = control
        self._namespaces_of = namespaces_of
        self._answered = answered
        self._share = share
        self._has_body = has_body
        self._pages = pages
        self._model_page = model_page
        self.is_draining = False

    def application(self) -> web.Application:
        """Return the application; paths are matched here, since aiohttp would decode an encoded slash."""
        application = web.Application(middlewares=[_shaped])
        application.router.add_route("*", _ANY_PATH, self.handle, expect_handler=_expects)
        application.on_response_prepare.append(self._prepare)
        return application

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        raw_path = request.rel_url.raw_path
        progress = _Progress(request.method, time.perf_counter())
        try:
            async with self._intake.place() as place:
                if (page := self._pages.get(raw_path)) is not None:
                    return self._answer_page(request, page, progress)
                if self._model_page is not None and raw_path == MODEL_PAGE_PATH:
                    return await self._answer_model_page(self._model_page, request, place, progress)
                found = match(raw_path)
                if found is None:
                    control = control_match(raw_path)
                    if control is not None:
                        return await self._answer_control(request, control, place, progress)
                    return await self._answer_other(request, raw_path, progress)
                progress.route = found.route.name
                _require(request, HTTPMethod.POST)
                caller = await self._identity.authenticate(request.headers)
                progress.caller = caller.username
                body = await self._intake.read(request, place)
                self._has_body(request)
                call = await self._call(request, found, caller, body, progress)
                progress.is_observed = True
                return await self._answerer.answer(request, call)
        except Failure as failure:
            return self._failed(failure, request, progress)
        except (asyncio.CancelledError, ConnectionError):
            self._note(progress, CLIENT_CLOSED_STATUS, CLIENT_CLOSED)
            raise
        except Exception:
            log.exception("defect while answering a request", route=progress.route)
            defect = Failure(FailureReason.INTERNAL, _DEFECT)
            return self._failed(defect, request, progress)

    def _answer_page(self, request: web.Request, page: OpenPage, progress: _Progress) -> web.Response:
        progress.route = PAGE_ROUTE
        response = page_response(request, page)
        if not request_is_read(request):
            response.force_close()
        self._note(progress, response.status)
        return response

    async def _answer_model_page(
        self, page: ModelPage, request: web.Request, place: Place, progress: _Progress
    ) -> web.Response:
        progress.route = MODEL_PAGE_ROUTE

        async def read() -> bytes:
            body = await self._intake.read(request, place)
            self._has_body(request)
            return body

        shown = await page.answer(request, read)
        if not request_is_read(request):
            shown.response.force_close()
        progress.caller = shown.caller
        self._note(progress, shown.response.status, shown.error)
        return shown.response

    async def _answer_control(
        self, request: web.Request, found: ControlMatch, place: Place, progress: _Progress
    ) -> web.Response:
        """Answer a request of the REST API."""
        operation = operation_of(found, request.method)
        progress.route = operation.value
        caller, token = await self._identity.authenticate_for_cluster(request.headers)
        progress.caller = caller.username
        body = await self._intake.read(request, place)
        self._has_body(request)
        response = await self._control.answer(request, found, operation, caller, token, body)
        self._note(progress, response.status)
        return response

    async def _answer_other(self, request: web.Request, raw_path: str, progress: _Progress) -> web.Response:
        name = name_in(raw_path)
        if raw_path != MODELS_PATH and name is None:
            raise Failure(FailureReason.NOT_FOUND, f"no such path. Action (user): {advice_on(raw_path)}.")
        progress.route = "models"
        _require(request, HTTPMethod.GET)
        caller = await self._identity.authenticate(request.headers)
        progress.caller = caller.username
        if name is None:
            answer = listing(await self._identity.filter(caller, list(self._catalog)))
        else:
            answer = entry((await self._named(caller, name)).model)
        self._note(progress, HTTPStatus.OK)
        return web.Response(body=wire_json(answer), content_type="application/json")

    async def _call(
        self, request: web.Request, found: Match, caller: Caller, body: bytes, progress: _Progress
    ) -> Call:
        """Return everything that is decided about a request."""
        route = found.route
        parsed = read_request(body, names_model=route.model_field is ModelField.BODY)
        if route.model_field is ModelField.BODY:
            if not parsed.model:
                raise Failure(
                    FailureReason.INVALID_REQUEST,
                    'the field "model" is required: the name of a model, such as namespace/name.',
                    ("model",),
                )
            requested = parsed.model
            candidate = await self._named(caller, requested)
            progress.model = candidate.model.id
        else:
            variables = found.variables
            requested = variables.get("model") or variables["deployment"]
            account = request.headers.get(ACCOUNT_HEADER, "")
            candidate = await self._named(caller, requested, account)
            progress.model = candidate.model.id
            if "model" in variables:
                candidate = _within(candidate, variables["deployment"])
        deployment = choose(candidate, route, self._is_ready, self._share())
        if route.family is Family.PLATFORM:
            check_bindings(body, candidate.model)
        how = treatment(route, deployment.model_type, deployment.protocol)
        return Call(
            route=route,
            model=candidate.model,
            deployment=deployment,
            body=body,
            requested=requested,
            caller=caller.username,
            treatment=how,
            is_stream=parsed.is_stream,
            begun=progress.begun,
        )

    async def _named(self, caller: Caller, name: str, account: str = "") -> Candidate:
        """Return the one model that a name means to a caller."""
        found = candidates(self._catalog, name, self._namespaces_of(account) if account else None)
        if len(found) == 1:
            model = found[0].model
            allowed = found if await self._identity.may_execute(caller, model.namespace, model.name) else []
        else:
            models = await self._identity.filter(caller, [each.model for each in found])
            kept = {model.id for model in models}
            allowed = [each for each in found if each.model.id in kept]
        return only(name, allowed)

    def _failed(self, failure: Failure, request: web.Request, progress: _Progress) -> web.Response:
        shaped = response_of(failure, family_of(request.rel_url.raw_path))
        response = web.Response(status=shaped.status, headers=shaped.headers, body=shaped.body)
        if not request_is_read(request):
            response.force_close()
        self._note(progress, shaped.status, failure.reason)
        return response

    def _note(self, progress: _Progress, status: int, error: str = "") -> None:
        if not progress.is_observed:
            seconds = time.perf_counter() - progress.begun
            self._answered(
                progress.method,
                progress.route,
                status,
                seconds,
                error=error,
                caller=progress.caller,
                model=progress.model,
            )

    async def _prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Server"] = SERVER
        if request.method == HTTPMethod.GET:
            # Caches give no answer to Authorization to another caller; x-api-key means nothing to them.
            response.headers.setdefault("Cache-Control", "no-store")
        if self.is_draining:
            # The client opens its next connection to another replica.
            response.headers["Connection"] = "close"
            response.force_close()


def family_of(raw_path: str) -> Family:
    """Return whose API a path belongs to, for the shape of errors: also of a path that does not exist."""
    found = match(raw_path)
    if found is not None:
        return found.route.family
    if raw_path.startswith("/v4/"):
        return Family.PLATFORM
    return Family.COHERE if raw_path.startswith("/v2/") else Family.OPENAI


async def _expects(_: web.Request) -> None:
    """Leave ``Expect: 100-continue`` to the intake: no body is sent for a request that is refused."""


@web.middleware
async def _shaped(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give an error of aiohttp's own, such as that of a target ``*``, the shape of an API."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return malformed(error.status, family_of(request.rel_url.raw_path))


def malformed(status: int, family: Family = Family.OPENAI) -> web.Response:
    """Return the response to what is no request of any API, and close its connection."""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        reason, message = FailureReason.INTERNAL, _DEFECT
    elif status == HTTPStatus.NOT_FOUND:
        reason, message = FailureReason.NOT_FOUND, "no such path. Action (user): correct it."
    else:
        reason = FailureReason.INVALID_REQUEST
        message = "the request is not valid HTTP, or its headers are too long. Action (user): correct it."
    shaped = response_of(Failure(reason, message, status=status), family)
    response = web.Response(status=shaped.status, headers=shaped.headers, body=shaped.body)
    response.force_close()
    return response


class ApiProtocol(web.RequestHandler):
    """aiohttp's protocol of a connection, whose own errors have the shape of an API."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the response to what is no HTTP; it repeats no part of the request, as aiohttp's does."""
        super().handle_error(request, status, exc, message)
        return malformed(status)


def request_is_read(request: web.Request) -> bool:
    """Return whether nothing of a request is left unread on its connection."""
    return request.content.at_eof()


def _within(candidate: Candidate, name: str) -> Candidate:
    """Return the deployment of a model that a path names."""
    deployment = deployment_named(candidate.model, name)
    if deployment is None:
        raise not_found(f"{candidate.model.id}/{name}")
    return Candidate(candidate.model, deployment)


def _require(request: web.Request, method: HTTPMethod) -> None:
    if request.method != method:
        raise Failure(
            FailureReason.METHOD_NOT_ALLOWED,
            f"this path accepts only {method.value}.",
            headers={"Allow": method.value},
        )
