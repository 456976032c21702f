"""The fields that the operator writes into its webhook configurations: authorities, and paths with a token.

Manifests leave both out, so applying them again causes no conflict. See
:mod:`model_operator.core.webhooks.certificate` for the authorities and tokens, and
:mod:`model_operator.core.webhooks.callers` for the purpose of a token.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from model_operator.core.webhooks.callers import path_of, token_in, webhook_named


def tokens_called(webhooks: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the tokens in the paths of a webhook configuration's entries."""
    found = (token_in(_path(webhook["clientConfig"])) for webhook in webhooks)
    return {token for token in found if token is not None}


def token_to_publish(
    tokens: Sequence[str], previous: str | None, called: Collection[str], accepted: Collection[str]
) -> str | None:
    """Return the token to publish in the configurations; None to leave each unchanged.

    All replicas must accept a new token before an API server uses it. The replica that creates it therefore
    waits for one check interval, in which the other replicas read it from the Secret. It does not wait if the
    replicas would reject the tokens in the configuration anyway.

    Parameters
    ----------
    tokens
        The tokens in the Secret, the newest first.
    previous
        The newest token at the previous check.
    called
        The tokens in the configuration.
    accepted
        The tokens that this replica accepts.
    """
    newest = tokens[0]
    works = bool(called) and all(token in accepted for token in called)
    return None if works and newest != previous else newest


def client_config_patch(
    webhook: Mapping[str, Any], ca_bundle: str, token: str | None
) -> dict[str, Any] | None:
    """Return the patch of the ``clientConfig`` of an entry; None if there is no difference.

    Parameters
    ----------
    webhook
        The current entry.
    ca_bundle
        The authorities, PEM in base64.
    token
        The token of the path; None leaves the path unchanged. The path of an entry that is not ours is never
        changed.
    """
    config, patch = webhook["clientConfig"], dict[str, Any]()
    if config.get("caBundle", "") != ca_bundle:
        patch["caBundle"] = ca_bundle
    ours = webhook_named(webhook["name"])
    if ours is not None and token is not None and _path(config) != (path := path_of(ours, token)):
        if "service" in config:
            patch["service"] = {"path": path}
        else:
            patch["url"] = urlsplit(config["url"])._replace(path=path).geturl()
    return patch or None


def _path(config: Mapping[str, Any]) -> str:
    if "service" in config:
        return str(config["service"].get("path") or "")
    try:
        return urlsplit(str(config.get("url", ""))).path
    except ValueError:
        return ""
