"""What the operator writes into its webhook configurations: the authorities, and the paths with their token.

Manifests leave both out, so whoever applies them does not notice. See
:mod:`model_operator.core.webhooks.certificate` for what is published, and
:mod:`model_operator.core.webhooks.callers` for what a token is good for.
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
    tokens: Sequence[str], settled: str | None, called: Collection[str], accepted: Collection[str]
) -> str | None:
    """Return the token that the configurations are to have; None to leave each as it is.

    A new token is accepted by all replicas before an API server uses it: whoever made it waits for one look,
    in which the others find it in the Secret. There is nothing to wait for while no replica could answer
    what the configuration says now.

    Parameters
    ----------
    tokens
        What the Secret holds, the newest first.
    settled
        The newest one as of the look before.
    called
        The tokens in the configuration.
    accepted
        Those that this replica accepts.
    """
    newest = tokens[0]
    works = bool(called) and all(token in accepted for token in called)
    return None if works and newest != settled else newest


def client_config_patch(
    webhook: Mapping[str, Any], ca_bundle: str, token: str | None
) -> dict[str, Any] | None:
    """Return what is to be different in the ``clientConfig`` of an entry, None when nothing is.

    Parameters
    ----------
    webhook
        The entry as it is.
    ca_bundle
        The authorities, PEM in base64.
    token
        What its path is to begin with; None leaves a path that has a token. The path of an entry whose name
        is not one of ours is left in any case.
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
