"""Warnings about a template whose models the gateway would call in another way than their server speaks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from model_operator.api import ModelTemplateSpec
from model_operator.api.enums import EndpointProtocol
from model_operator.core.templates.model_apis import apis_of, native_paths, protocols_of
from model_operator.core.values.violations import Violation
from model_operator.core.values.words import listed

_TEI_IMAGE: Final = "text-embeddings-inference"


def gateway_advice(spec: ModelTemplateSpec) -> Iterator[Violation]:
    """Yield the warnings about ``endpoint_protocol``.

    Parameters
    ----------
    spec
        ``spec`` of a template.
    """
    if not spec.endpoint_type.serves_http:
        return
    loc = ("spec", "endpoint_protocol")
    stated = spec.endpoint_protocol
    if stated is not None and not apis_of(spec.model_type, stated):
        known = listed([protocol.value for protocol in protocols_of(spec.model_type)])
        message = (
            f"the gateway has no API for a model of type {spec.model_type} with this protocol, so it does "
            f"not register the models; with this type it knows {known}"
        )
        yield Violation(loc, message, "no_api")
    spoken = _spoken(spec)
    if stated is None and spoken is not None:
        message = (
            f"is not set, which means SGP, but {spoken[1]} is that of a server that speaks "
            f"{spoken[0].value}; set endpoint_protocol: {spoken[0].value}, so that the gateway calls it so"
        )
        yield Violation(loc, message, "protocol")


def _spoken(spec: ModelTemplateSpec) -> tuple[EndpointProtocol, str] | None:
    """Return the protocol that the image or the route shows, with what shows it; None if neither does."""
    bundle = spec.vendor_configuration.bundle_config
    known = protocols_of(spec.model_type)
    if EndpointProtocol.TEI in known and bundle.image.rpartition("/")[2] == _TEI_IMAGE:
        return EndpointProtocol.TEI, "bundle_config.image"
    for protocol in (EndpointProtocol.OPENAI, EndpointProtocol.COHERE):
        if bundle.predict_route in native_paths(spec.model_type, protocol).values():
            return protocol, "bundle_config.predict_route"
    return None
