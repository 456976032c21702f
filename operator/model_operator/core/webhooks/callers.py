"""Authentication of the callers of the webhooks.

Every pod in the cluster can reach the port, and the content of a review is untrusted. Therefore only an API
server may get an answer that depends on more than the review. An API server is authenticated by

* a token in the path, which only the webhook configurations and the operator's Secret hold, and
* a client certificate, which the TLS handshake verifies before any path is read.

If neither is configured, callers are strangers, and answers depend on their review alone.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from model_operator.api import GROUP

_TOKEN: Final = re.compile("[0-9a-z]{32,128}")
"""A token. Segments of a webhook's path must be DNS names; 32 hexadecimal digits are 128 bits."""


class Caller(StrEnum):
    """The authentication of a caller."""

    AUTHENTICATED = "authenticated"
    """An API server, authenticated by token or certificate."""
    STRANGER = "stranger"
    """Any client that can reach the port."""


class Webhook(StrEnum):
    """The webhooks; the values are the last part of their paths."""

    INSTANCE = "/validate-modelinstance"
    INSTANCE_DENY = "/validate-modelinstance/deny"
    INSTANCE_WARN = "/validate-modelinstance/warn"
    INSTANCE_MISLABELLED = "/validate-modelinstance/mislabelled"
    TEMPLATE = "/validate-modeltemplate"
    CLUSTER_TEMPLATE = "/validate-clustermodeltemplate"
    CREATOR = "/mutate-modelinstance"
    TEMPLATE_CREATOR = "/mutate-modeltemplate"
    CLUSTER_TEMPLATE_CREATOR = "/mutate-clustermodeltemplate"


_BY_NAME: Final[Mapping[str, Webhook]] = MappingProxyType(
    {
        f"modelinstances.{GROUP}": Webhook.INSTANCE,
        f"deny.modelinstances.{GROUP}": Webhook.INSTANCE_DENY,
        f"warn.modelinstances.{GROUP}": Webhook.INSTANCE_WARN,
        f"mislabelled.modelinstances.{GROUP}": Webhook.INSTANCE_MISLABELLED,
        f"modeltemplates.{GROUP}": Webhook.TEMPLATE,
        f"clustermodeltemplates.{GROUP}": Webhook.CLUSTER_TEMPLATE,
        f"created-by.modelinstances.{GROUP}": Webhook.CREATOR,
        f"created-by.modeltemplates.{GROUP}": Webhook.TEMPLATE_CREATOR,
        f"created-by.clustermodeltemplates.{GROUP}": Webhook.CLUSTER_TEMPLATE_CREATOR,
    }
)


def webhook_named(name: str) -> Webhook | None:
    """Return the webhook of an entry of a webhook configuration, by name; None if the entry is not ours."""
    return _BY_NAME.get(name)


def is_token(text: str) -> bool:
    """Whether a text has the form of a token: 32 to 128 lower-case letters and digits."""
    return _TOKEN.fullmatch(text) is not None


def path_of(webhook: Webhook, token: str) -> str:
    """Return the path of a webhook with a token."""
    return f"/{token}{webhook}"


def token_in(path: str) -> str | None:
    """Return the token of a path in the form of :func:`path_of`, whether or not it is accepted."""
    token, rest = _split(path)
    return token if is_token(token) and rest in set(Webhook) else None


@dataclass(frozen=True, slots=True)
class Call:
    """A request to one of the webhooks.

    Attributes
    ----------
    webhook
        The requested webhook.
    caller
        Authentication of the caller.
    """

    webhook: Webhook
    caller: Caller


@dataclass(frozen=True, slots=True)
class CallerPolicy:
    """The authentication that callers must pass.

    Attributes
    ----------
    tokens
        The accepted tokens, one of which must be in the path; None if paths have no token.
    verifies_certificates
        Whether a connection without a valid client certificate is refused before a request is read.
    """

    tokens: tuple[str, ...] | None = None
    verifies_certificates: bool = False

    def __repr__(self) -> str:
        """Return a text without the tokens, for logs."""
        count = None if self.tokens is None else len(self.tokens)
        return f"CallerPolicy(tokens={count}, verifies_certificates={self.verifies_certificates})"

    @property
    def is_authenticating(self) -> bool:
        """Whether every admitted caller is authenticated."""
        return self.tokens is not None or self.verifies_certificates

    def admit(self, path: str) -> Call | None:
        """Return the webhook and the caller of a request; None for a path that is not served.

        The duration does not depend on how much of a token is correct.

        Parameters
        ----------
        path
            Path of the request, without query, percent-encoded.
        """
        if not path.startswith("/"):
            return None
        if self.tokens is None:
            rest = path
        else:
            given, rest = _split(path)
            # Every token is compared, even after a match.
            fits = [hmac.compare_digest(_bytes(given), _bytes(token)) for token in self.tokens]
            if not any(fits):
                return None
        caller = Caller.AUTHENTICATED if self.is_authenticating else Caller.STRANGER
        webhook = next((each for each in Webhook if each == rest), None)
        return None if webhook is None else Call(webhook, caller)


def _split(path: str) -> tuple[str, str]:
    """Return the first segment of a path, and the rest from the next slash on."""
    token, slash, rest = path[1:].partition("/")
    return token, slash + rest


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
