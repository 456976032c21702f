"""Who calls a webhook, and where: the one place that decides whether a caller is authenticated.

The port is open to everybody in the cluster, and a review says what its author likes. So only an API server
may learn from an answer what it could not read by itself. It is told from others by

* a token in the path, which only the webhook configurations and the operator's Secret hold, and
* a client certificate, which the connection has verified before any path is read.

Where neither is set up, callers are strangers: they get answers that follow from their review alone.
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
"""Segments of a webhook configuration's path have to be DNS names; 32 hexadecimal digits are 128 bits."""


class Caller(StrEnum):
    """What is known about who sent a request."""

    AUTHENTICATED = "authenticated"
    """An API server: it has shown the token or a certificate."""
    STRANGER = "stranger"
    """Anybody who reaches the port."""


class Webhook(StrEnum):
    """The webhooks, by the last part of the path at which they are called."""

    INSTANCE = "/validate-modelinstance"
    INSTANCE_DENY = "/validate-modelinstance/deny"
    INSTANCE_WARN = "/validate-modelinstance/warn"
    TEMPLATE = "/validate-modeltemplate"
    CLUSTER_TEMPLATE = "/validate-clustermodeltemplate"
    CREATOR = "/mutate-modelinstance"


_BY_NAME: Final[Mapping[str, Webhook]] = MappingProxyType(
    {
        f"modelinstances.{GROUP}": Webhook.INSTANCE,
        f"deny.modelinstances.{GROUP}": Webhook.INSTANCE_DENY,
        f"warn.modelinstances.{GROUP}": Webhook.INSTANCE_WARN,
        f"modeltemplates.{GROUP}": Webhook.TEMPLATE,
        f"clustermodeltemplates.{GROUP}": Webhook.CLUSTER_TEMPLATE,
        f"created-by.modelinstances.{GROUP}": Webhook.CREATOR,
    }
)


def webhook_named(name: str) -> Webhook | None:
    """Return what an entry of a webhook configuration is for, by its name; None for one that is not ours."""
    return _BY_NAME.get(name)


def is_token(text: str) -> bool:
    """Tell whether a text may be a token: 32 to 128 lower-case letters and digits."""
    return _TOKEN.fullmatch(text) is not None


def path_of(webhook: Webhook, token: str) -> str:
    """Return the path at which a webhook is called with a token."""
    return f"/{token}{webhook}"


def token_in(path: str) -> str | None:
    """Return the token of a path such as :func:`path_of` makes, whether or not it is accepted."""
    token, rest = _split(path)
    return token if is_token(token) and rest in set(Webhook) else None


@dataclass(frozen=True, slots=True)
class Call:
    """A request that has found its webhook.

    Attributes
    ----------
    webhook
        What it calls.
    caller
        Who calls.
    """

    webhook: Webhook
    caller: Caller


@dataclass(frozen=True, slots=True)
class Gate:
    """What callers have to show.

    Attributes
    ----------
    tokens
        Of which one has to be in the path; None where paths have no token.
    verifies_certificates
        Whether connections without a valid client certificate are refused before a request is read.
    """

    tokens: tuple[str, ...] | None = None
    verifies_certificates: bool = False

    def __repr__(self) -> str:
        """Return a text without the tokens, for logs."""
        count = None if self.tokens is None else len(self.tokens)
        return f"Gate(tokens={count}, verifies_certificates={self.verifies_certificates})"

    @property
    def is_authenticating(self) -> bool:
        """Whether whoever is admitted is authenticated."""
        return self.tokens is not None or self.verifies_certificates

    def admit(self, path: str) -> Call | None:
        """Return which webhook a request calls and who calls, None for a path that is not served.

        How long that takes does not depend on how much of a token is right.

        Parameters
        ----------
        path
            As it stands in the request, without query, still percent-encoded.
        """
        if not path.startswith("/"):
            return None
        if self.tokens is None:
            rest = path
        else:
            given, rest = _split(path)
            # Every token is compared, whichever fits.
            fits = [hmac.compare_digest(_bytes(given), _bytes(token)) for token in self.tokens]
            if not any(fits):
                return None
        caller = Caller.AUTHENTICATED if self.is_authenticating else Caller.STRANGER
        webhook = next((each for each in Webhook if each == rest), None)
        return None if webhook is None else Call(webhook, caller)


def _split(path: str) -> tuple[str, str]:
    """Return the first segment of a path, and what follows from the next slash on."""
    token, slash, rest = path[1:].partition("/")
    return token, slash + rest


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
