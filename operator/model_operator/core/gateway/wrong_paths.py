"""What to do about a path that no API has."""

from __future__ import annotations

from typing import Final

from model_operator.core.gateway.apis import match
from model_operator.core.gateway.rest.control_routes import control_match

_LIST_OF_MODELS: Final = "/v1/models"
_VERSIONS: Final = ("/v1/", "/v2/", "/v4/")
_NAMESPACE, _NAME = 3, 4
"""Parts of ``/v4/models/namespace/name``, and of templates alike."""


def advice_on(raw_path: str) -> str:
    """Return the next step of a user whose path is none, without a part of that path.

    Parameters
    ----------
    raw_path
        Path as sent, percent-encoded, without the query.
    """
    if _is_known(raw_path.rstrip("/")):
        return "leave out the slash at the end of the path"
    if _is_known(f"/v1{raw_path}"):
        return "end the base URL of the client with /v1, as OpenAI's client needs it"
    if raw_path[:4] in _VERSIONS and _is_known(raw_path[3:]):
        return "leave out the version at the end of the client's base URL: the paths have it already"
    parts = raw_path.rstrip("/").split("/")
    if len(parts) > _NAME:
        parts[_NAMESPACE : _NAME + 1] = [f"{parts[_NAMESPACE]}%2F{parts[_NAME]}"]
        if _is_known("/".join(parts)):
            return "write the slash of namespace/name as %2F, such as /v4/models/default%2Fchat"
    return "use a path that GET /docs shows, such as /v4/models or /v1/chat/completions"


def _is_known(raw_path: str) -> bool:
    return raw_path == _LIST_OF_MODELS or match(raw_path) is not None or control_match(raw_path) is not None
