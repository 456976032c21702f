"""Code to copy that calls a model: for curl, for the clients of OpenAI and Cohere, and for the platform's.

Each runs as it stands, with the key in the environment variable ``KEY``. Names are quoted for the language
they stand in, whatever they are.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote

from model_operator.api.enums import ModelApi, ModelType
from model_operator.core.gateway.models import Deployment, Model
from model_operator.core.templates.contracts import REQUEST_PARAMETERS

_PROMPT: Final = "What is the capital of France?"
_COMPLETED: Final = "The capital of France is"
_TEXTS: Final = ["a dog", "a cat"]
_QUERY: Final = "What do dogs do?"
_DOCUMENTS: Final = ["Markets fell.", "A puppy chases its tail."]
_BINDINGS: Final = "bindings"
_EXAMPLES: Final[Mapping[str, Any]] = {"integer": 1, "number": 1.0, "boolean": True}
_INDENT: Final = "    "


class Use(StrEnum):
    """What a model is called for."""

    CHAT = "chat"
    COMPLETION = "completion"
    EMBEDDING = "embedding"
    RERANKING = "reranking"
    EXECUTE = "execute"
    """It has no other API than the platform's Execute Model API."""


_USES: Final = (
    (ModelApi.CHAT_COMPLETIONS, Use.CHAT),
    (ModelApi.COMPLETIONS, Use.COMPLETION),
    (ModelApi.EMBEDDINGS, Use.EMBEDDING),
    (ModelApi.RERANK, Use.RERANKING),
)
_PATHS: Final = {
    Use.CHAT: "/v1/chat/completions",
    Use.COMPLETION: "/v1/completions",
    Use.EMBEDDING: "/v1/embeddings",
    Use.RERANKING: "/v2/rerank",
}


@dataclass(frozen=True, slots=True)
class Snippet:
    """Code that calls a model.

    Attributes
    ----------
    client
        Program or package that it needs, as it is installed.
    language
        ``shell`` or ``python``.
    text
        The code.
    """

    client: str
    language: str
    text: str


def use_of(model: Model) -> Use:
    """Return what a model is called for: the first of its APIs, in the order of the table of uses."""
    apis = model.apis
    return next((use for api, use in _USES if api in apis), Use.EXECUTE)


def path_of(model: Model) -> str:
    """Return the path at the gateway that a model is called by, percent-encoded."""
    use = use_of(model)
    if use is not Use.EXECUTE:
        return _PATHS[use]
    deployment = _called(model, use)
    return f"/v4/models/{quote(model.id, safe='')}/deployments/{quote(deployment.name, safe='')}/execute"


def snippets_of(model: Model, base_url: str) -> tuple[Snippet, ...]:
    """Return the code that calls a model.

    Parameters
    ----------
    model
        The model.
    base_url
        Address of the gateway, without a slash at its end.
    """
    use = use_of(model)
    native = _native(use, model, base_url)
    return (
        _curl(use, model, base_url),
        *([native] if native is not None else []),
        _platform(use, model, base_url),
    )


def example_body(model: Model) -> dict[str, Any]:
    """Return a request to a model, for the path of :func:`path_of`."""
    use = use_of(model)
    if use is Use.EXECUTE:
        return {**_execute_body(_called(model, use).model_type), **_parameters(model)}
    named = {"model": model.id}
    if use is Use.CHAT:
        return {**named, "messages": [{"role": "user", "content": _PROMPT}], "stream": True}
    if use is Use.COMPLETION:
        return {**named, "prompt": _COMPLETED, "max_tokens": 64, "stream": True}
    if use is Use.EMBEDDING:
        return {**named, "input": _TEXTS}
    return {**named, "query": _QUERY, "documents": _DOCUMENTS}


def _called(model: Model, use: Use) -> Deployment:
    """Return the deployment that a path names which needs one: the first with the API."""
    wanted = ModelApi.EXECUTE if use is Use.EXECUTE else ModelApi.TYPED
    return next((each for each in model.deployments if wanted in each.apis), model.deployments[0])


def _curl(use: Use, model: Model, base_url: str) -> Snippet:
    body = json.dumps(example_body(model))
    is_stream = use in (Use.CHAT, Use.COMPLETION)
    lines = [
        f"curl {'--no-buffer ' if is_stream else ''}{shlex.quote(base_url + path_of(model))}",
        '--header "Authorization: Bearer $KEY"',
        '--header "Content-Type: application/json"',
        f"--data {shlex.quote(body)}",
    ]
    return Snippet("curl", "shell", " \\\n  ".join(lines))


def _native(use: Use, model: Model, base_url: str) -> Snippet | None:
    """Return the code for the client whose API the model has; OpenAI's has no ranking."""
    if use is Use.EXECUTE:
        return None
    if use is Use.RERANKING:
        called = _call(
            "client.rerank", {"model": model.id, "query": _QUERY, "documents": _Name("documents")}, "answer"
        )
        return _python(
            "cohere",
            "import cohere",
            _call("cohere.ClientV2", {"base_url": base_url, "api_key": _KEY}, "client"),
            f"documents = {literal(_DOCUMENTS)}",
            called,
            "for result in answer.results:",
            f'{_INDENT}print(f"{{result.relevance_score:.3f}} {{documents[result.index]}}")',
        )
    body = example_body(model)
    if use is Use.EMBEDDING:
        calls = [
            _call("client.embeddings.create", body, "answer"),
            "for each in answer.data:",
            f'{_INDENT}print(len(each.embedding), "dimensions")',
        ]
    else:
        is_chat = use is Use.CHAT
        text = "chunk.choices[0].delta.content" if is_chat else "chunk.choices[0].text"
        calls = [
            _call(f"client.{'chat.' if is_chat else ''}completions.create", body, "stream"),
            "for chunk in stream:",
            f"{_INDENT}if chunk.choices:",
            f'{_INDENT * 2}print({text} or "", end="", flush=True)',
            "print()",
        ]
    client = _call("OpenAI", {"base_url": f"{base_url}/v1", "api_key": _KEY}, "client")
    return _python("openai", "from openai import OpenAI", client, *calls)


def _platform(use: Use, model: Model, base_url: str) -> Snippet:
    settings = {"base_url": base_url, "api_key": _KEY, "account_id": model.namespace}
    parameters = _parameters(model)
    deployment = _called(model, use)
    call, arguments = _platform_call(use, model, deployment)
    shown = "print(answer)"
    if call.startswith("models.deployments"):
        body = {**_execute_body(deployment.model_type), **parameters}
        arguments = {**arguments, "extra_body": body}
    else:
        arguments |= parameters
        if use in (Use.CHAT, Use.COMPLETION):
            # The platform's answer has each prompt with the list of its completions.
            shown = "for prompt, completions in answer.completions:\n" + _INDENT + "print(completions[0])"
    return _python(
        "scale-gp",
        "from scale_gp import SGPClient",
        _call("SGPClient", settings, "client"),
        _call(f"client.{call}", arguments, "answer"),
        shown,
    )


def _platform_call(use: Use, model: Model, deployment: Deployment) -> tuple[str, dict[str, Any]]:
    if use is Use.EXECUTE or ModelApi.TYPED not in deployment.apis:
        return "models.deployments.execute", {
            "model_instance_id": model.id,
            "model_deployment_id": deployment.name,
        }
    named = {"model_deployment_id": model.id}
    if use is Use.CHAT:
        return "models.chat_completions.create", {**named, "chat_history": [], "prompt": _PROMPT}
    if use is Use.COMPLETION:
        return "models.completions.create", {**named, "prompt": _COMPLETED, "max_tokens": 64}
    if use is Use.EMBEDDING:
        return "models.embeddings.create", {**named, "texts": _TEXTS}
    return "models.rerankings.create", {**named, "query": _QUERY, "chunks": _DOCUMENTS}


def _execute_body(model_type: ModelType) -> dict[str, Any]:
    """Return an example of the platform's contract of a type."""
    messages = [{"role": "user", "content": _PROMPT}]
    bodies: dict[ModelType, dict[str, Any]] = {
        ModelType.CHAT_COMPLETION: {"messages": messages},
        ModelType.COMPLETION: {"prompts": [_COMPLETED]},
        ModelType.EMBEDDING: {"texts": _TEXTS},
        ModelType.RERANKING: {"query": _QUERY, "chunks": _DOCUMENTS},
        ModelType.AGENT: {"tools": [], "messages": messages},
    }
    return bodies.get(model_type, {"input": _PROMPT})


def _parameters(model: Model) -> dict[str, Any]:
    """Return ``model_request_parameters`` with the parameters that a request must bind, if there are any."""
    schema = _mapping(_mapping(_mapping(model.bindings_schema).get("properties")).get(_BINDINGS))
    required = schema.get("required")
    names = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
    declared = _mapping(schema.get("properties"))
    bound = {name: _example(_mapping(declared.get(name))) for name in names}
    return {REQUEST_PARAMETERS: {_BINDINGS: bound}} if bound else {}


def _example(schema: Mapping[str, Any]) -> Any:
    for key in ("default", "const"):
        if key in schema:
            return schema[key]
    for key in ("enum", "examples"):
        if isinstance(schema.get(key), list) and schema[key]:
            return schema[key][0]
    found = _EXAMPLES.get(str(schema.get("type")), "text")
    least = schema.get("minimum")
    return max(found, least) if isinstance(least, int | float) and isinstance(found, int | float) else found


@dataclass(frozen=True, slots=True)
class _Name:
    """A name of Python code in place of a value."""

    text: str


_KEY: Final = _Name('os.environ["KEY"]')


def _python(client: str, imported: str, *lines: str) -> Snippet:
    return Snippet(client, "python", "\n".join(["import os", "", imported, "", *lines]))


def _call(function: str, arguments: Mapping[str, Any], result: str) -> str:
    """Return an assignment of a call, each argument on a line of its own."""
    named = "".join(f"{_INDENT}{name}={literal(value)},\n" for name, value in arguments.items())
    return f"{result} = {function}(\n{named})"


def literal(value: Any) -> str:
    """Return a JSON value as a literal of Python, its texts in double quotes where they can be."""
    if isinstance(value, _Name):
        return value.text
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{literal(key)}: {literal(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(literal(each) for each in value) + "]"
    text = ascii(value)
    return f'"{text[1:-1]}"' if text.startswith("'") and '"' not in text else text


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
