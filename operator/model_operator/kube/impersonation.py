"""The user that the requests of a kubeconfig impersonate: ``as`` and its companions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from model_operator.kube.errors import StartupError

_USER: Final = "as"
_UID: Final = "as-uid"
_GROUPS: Final = "as-groups"
_EXTRA: Final = "as-user-extra"

Headers = tuple[tuple[str, str], ...]
"""Names and values of HTTP headers; a name may be repeated."""


def impersonation_headers(user: Mapping[str, Any]) -> Headers:
    """Return the headers with which kubectl impersonates the user of a kubeconfig; none without ``as``.

    Parameters
    ----------
    user
        The part ``user`` of an entry of ``users``.

    Raises
    ------
    StartupError
        There are groups, a uid or extra fields without ``as``, or a field has another form. Sent without the
        headers, the requests would have the rights of the credentials.
    """
    return tuple(_headers(user))


def _headers(user: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    name = user.get(_USER)
    if not name:
        stray = next((field for field in (_UID, _GROUPS, _EXTRA) if user.get(field)), None)
        if stray is not None:
            raise StartupError(f"the user of the kubeconfig has {stray} without {_USER}; add {_USER}")
        return
    yield "Impersonate-User", _text(name, _USER)
    if user.get(_UID):
        yield "Impersonate-Uid", _text(user[_UID], _UID)
    for group in _list(user.get(_GROUPS), _GROUPS):
        yield "Impersonate-Group", group
    extra = user.get(_EXTRA) or {}
    if not isinstance(extra, Mapping):
        raise StartupError(f"{_EXTRA} of the user of the kubeconfig must be an object of lists of strings")
    for key, values in extra.items():
        for value in _list(values, _EXTRA):
            yield f"Impersonate-Extra-{quote(str(key), safe='')}", value


def _list(values: Any, field: str) -> list[str]:
    if values is None:
        return []
    if not isinstance(values, list):
        raise StartupError(f"{field} of the user of the kubeconfig must hold a list of strings")
    return [_text(each, field) for each in values]


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise StartupError(f"{field} of the user of the kubeconfig must hold strings of printable characters")
    return value
