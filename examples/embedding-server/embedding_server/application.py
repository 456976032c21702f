"""The HTTP side: ``POST /predict`` and ``GET /readyz``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from embedding_server.contracts import EmbeddingRequest, RerankingRequest, details
from embedding_server.models import Model, Vectors
from embedding_server.settings import Settings

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

BODY_LIMIT = 8 * 1024**2


class Service:
    """Answers requests; gets its model when that is loaded.

    Parameters
    ----------
    settings
        Say which contract it serves.
    executor
        Where vectors are computed, so that probes are answered meanwhile.
    """

    def __init__(self, settings: Settings, executor: Executor) -> None:
        self.model: Model | None = None
        self.draining = False
        self._settings = settings
        self._executor = executor
        self._predict = {"EMBEDDING": self._embed, "RERANKING": self._rerank}[settings.model_type]

    def application(self) -> web.Application:
        """Give the application that serves the routes."""
        application = web.Application(middlewares=[self._finish], client_max_size=BODY_LIMIT)
        application.add_routes([web.get("/readyz", self._readyz), web.post("/predict", self._post)])
        return application

    @web.middleware
    async def _finish(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Give errors as JSON, and close connections while draining."""
        try:
            response = await handler(request)
        except web.HTTPError as error:
            allowed = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
            response = web.json_response({"detail": error.reason}, status=error.status, headers=allowed)
        if self.draining:
            # The client's next request then makes a new connection, which goes to another worker.
            response.force_close()
        return response

    async def _readyz(self, _: web.Request) -> web.Response:
        if self.draining:
            raise web.HTTPServiceUnavailable(reason="Shutting down")
        if self.model is None:
            raise web.HTTPServiceUnavailable(reason="Loading the model")
        return web.json_response({"status": "ready", "model": self._settings.model_name})

    async def _post(self, request: web.Request) -> web.Response:
        if self.model is None:
            raise web.HTTPServiceUnavailable(reason="Loading the model")
        body = await request.read()
        try:
            answer = await self._predict(self.model, body)
        except ValidationError as error:
            return web.json_response({"detail": details(error)}, status=HTTPStatus.UNPROCESSABLE_ENTITY)
        return web.json_response(answer)

    async def _embed(self, model: Model, body: bytes) -> dict[str, Any]:
        request = EmbeddingRequest.model_validate_json(body)
        normalize = self._settings.normalize
        if (parameters := request.model_request_parameters) and parameters.bindings.normalize is not None:
            normalize = parameters.bindings.normalize
        vectors, tokens = await self._compute(model, request.texts, normalize=normalize)
        return {
            "embeddings": list(zip(request.texts, vectors.tolist(), strict=True)),
            "tokens_used": tokens,
        }

    async def _rerank(self, model: Model, body: bytes) -> dict[str, Any]:
        request = RerankingRequest.model_validate_json(body)
        vectors, tokens = await self._compute(model, [request.query, *request.chunks], normalize=True)
        return {"chunk_scores": (vectors[1:] @ vectors[0]).tolist(), "tokens_used": tokens}

    async def _compute(self, model: Model, texts: Sequence[str], *, normalize: bool) -> tuple[Vectors, int]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: model.embed(texts, normalize=normalize))
