"""The HTTP side: ``POST /predict``, the public API for the type of the model, and ``GET /readyz``."""

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
from embedding_server.public_apis import (
    VERSIONS,
    EmbeddingsRequest,
    RerankRequest,
    cohere_error,
    dimensions_error,
    embeddings_response,
    openai_error,
    rerank_response,
)
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
        is_embedding = settings.model_type == "EMBEDDING"
        self._predict = self._embed if is_embedding else self._rerank
        self._public: dict[str, Handler] = (
            {"/v1/embeddings": self._embeddings}
            if is_embedding
            else dict.fromkeys(VERSIONS, self._rerankings)
        )

    def application(self) -> web.Application:
        """Give the application that serves the routes."""
        application = web.Application(middlewares=[self._finish], client_max_size=BODY_LIMIT)
        application.add_routes([web.get("/readyz", self._readyz), web.post("/predict", self._post)])
        application.add_routes([web.post(path, handler) for path, handler in self._public.items()])
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
        model, body = await self._accepted(request)
        try:
            answer = await self._predict(model, body)
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

    async def _embeddings(self, request: web.Request) -> web.Response:
        model, body = await self._accepted(request)
        try:
            asked = EmbeddingsRequest.model_validate_json(body)
        except ValidationError as error:
            return web.json_response(openai_error(error), status=HTTPStatus.BAD_REQUEST)
        if asked.dimensions not in (None, model.width):
            return web.json_response(
                dimensions_error(asked.dimensions, model.width), status=HTTPStatus.BAD_REQUEST
            )
        vectors, tokens = await self._compute(model, asked.input, normalize=self._settings.normalize)
        return web.json_response(embeddings_response(asked, self._settings.model_name, vectors, tokens))

    async def _rerankings(self, request: web.Request) -> web.Response:
        model, body = await self._accepted(request)
        try:
            asked = RerankRequest.model_validate_json(body)
        except ValidationError as error:
            return web.json_response(cohere_error(error), status=HTTPStatus.BAD_REQUEST)
        vectors, tokens = await self._compute(model, [asked.query, *asked.documents], normalize=True)
        scores = vectors[1:] @ vectors[0]
        version = VERSIONS[request.path]
        return web.json_response(rerank_response(asked, self._settings.model_name, scores, tokens, version))

    async def _accepted(self, request: web.Request) -> tuple[Model, bytes]:
        if self.model is None:
            raise web.HTTPServiceUnavailable(reason="Loading the model")
        model = self.model
        return model, await request.read()

    async def _compute(self, model: Model, texts: Sequence[str], *, normalize: bool) -> tuple[Vectors, int]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: model.embed(texts, normalize=normalize))
