"""How the workers of a deployment are called over HTTP, for the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from model_operator.api import ModelTemplateSpec
from model_operator.api.enums import EndpointProtocol, ModelApi, ModelType, ServiceScheme
from model_operator.core.rendering.served_name import MAX_NAME, served_name
from model_operator.core.templates.layering import MODEL_CONTAINER
from model_operator.core.templates.model_apis import apis_of

_NAMED: Final = frozenset({EndpointProtocol.OPENAI, EndpointProtocol.VLLM, EndpointProtocol.COHERE})
"""The protocols whose requests name the model."""


@dataclass(frozen=True, slots=True)
class Serving:
    """How a deployment is called, as far as the template says it.

    Attributes
    ----------
    protocol, model_type
        Calling convention of the server, and what the model does.
    port
        Name of the Service's port that leads to the server.
    predict_route, streaming_predict_route
        Paths of the platform's own convention.
    stated_name
        Name by which the server knows the model, as the template states it; None if it does not.
    apis
        The APIs under which the gateway registers it, at least one.
    """

    protocol: EndpointProtocol
    model_type: ModelType
    port: str
    predict_route: str
    streaming_predict_route: str
    stated_name: str | None
    apis: tuple[ModelApi, ...]

    def entry(self, pod: Mapping[str, Any]) -> dict[str, Any]:
        """Return the value of ``status.deployments[].serving``.

        Parameters
        ----------
        pod
            The pod template of the workers, which may be that of an earlier version of the operator.
        """
        return {
            "protocol": self.protocol.value,
            "model_type": self.model_type.value,
            "port": self.port,
            "predict_route": self.predict_route,
            "streaming_predict_route": self.streaming_predict_route,
            "model": self._model(pod),
            "apis": [api.value for api in self.apis],
        }

    def _model(self, pod: Mapping[str, Any]) -> str | None:
        if self.stated_name is not None:
            return self.stated_name if 0 < len(self.stated_name) <= MAX_NAME else None
        if self.protocol not in _NAMED:
            return None
        containers = pod["spec"]["containers"]
        return served_name(next((each for each in containers if each.get("name") == MODEL_CONTAINER), {}))


def render_serving(
    spec: ModelTemplateSpec, service: Mapping[str, Any] | None, stated_name: str | None
) -> Serving | None:
    """Return how a deployment is called; None if the gateway cannot call it.

    Parameters
    ----------
    spec
        ``spec`` of the template.
    service
        The rendered Service; None without one. Its first port is that of the URL.
    stated_name
        ``served_model_name`` of the template with its values; None without it.
    """
    scheme = spec.service.scheme if spec.service else None
    # The gateway speaks plain HTTP to workers: their certificates name no pod.
    if service is None or scheme not in (None, ServiceScheme.HTTP):
        return None
    protocol = spec.endpoint_protocol or EndpointProtocol.SGP
    apis = apis_of(spec.model_type, protocol)
    if not apis:
        return None
    bundle = spec.vendor_configuration.bundle_config
    return Serving(
        protocol=protocol,
        model_type=spec.model_type,
        port=service["spec"]["ports"][0]["name"],
        predict_route=bundle.predict_route,
        streaming_predict_route=bundle.streaming_predict_route or bundle.predict_route,
        stated_name=stated_name,
        apis=apis,
    )
