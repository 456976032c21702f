"""Draining: how a worker stops without losing requests.

A pod that ends is removed from the Service and gets SIGTERM at the same moment, but each node learns of the
removal later. Requests that arrive in between fail if the server has stopped listening. So its containers
sleep first, which the kubelet does itself: the images need no shell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from model_operator.api import EndpointConfig, ModelTemplateSpec
from model_operator.core.templates.layering import MODEL_CONTAINER
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.values.violations import Violation

_STOP_SECONDS = 30
"""Seconds between SIGTERM and SIGKILL, as Kubernetes has it, where the grace period is too short for more."""
_GRACE = "terminationGracePeriodSeconds"
_DRAIN_LOC = ("spec", "vendor_configuration", "endpoint_config", "drain_seconds")


def drain_faults(spec: ModelTemplateSpec) -> Iterator[Violation]:
    """Yield the violation of a template whose pods end before they have drained."""
    endpoint = spec.vendor_configuration.endpoint_config
    own = ((spec.pod_template or {}).get("spec") or {}).get(_GRACE)
    if (
        endpoint.drain_seconds
        and endpoint.termination_grace_period_seconds is None
        and type(own) is int
        and own <= endpoint.drain_seconds
    ):
        message = (
            f"must be less than {_GRACE} of pod_template, after which the worker is killed; raise that, or "
            "set termination_grace_period_seconds"
        )
        yield Violation(_DRAIN_LOC, message, "drain")


def layer_draining(
    pod_spec: dict[str, Any], endpoint: EndpointConfig, settings: RenderSettings, *, serves_http: bool
) -> None:
    """Add the sleep before SIGTERM, and a grace period that fits.

    What the pod template has of its own is kept: a grace period, and ``preStop`` of a container. With its own
    ``preStop`` in the container of the model, only an explicit ``drain_seconds`` adds anything.

    Parameters
    ----------
    pod_spec
        The ``spec`` of a pod template, complete but for this.
    endpoint
        The template's settings, which override those of the operator.
    settings
        The cluster's conventions.
    serves_http
        Whether the model has a Service; otherwise nothing is added by default.
    """
    drain = _drain_seconds(pod_spec, endpoint, settings, serves_http=serves_http)
    if endpoint.termination_grace_period_seconds is not None:
        pod_spec[_GRACE] = endpoint.termination_grace_period_seconds
    elif drain and _GRACE not in pod_spec:
        grace = settings.termination_grace_period_seconds
        pod_spec[_GRACE] = grace if grace > drain else drain + _STOP_SECONDS
    # The API server refuses a sleep that is longer than the grace period, and values of another type.
    if not drain or type(pod_spec[_GRACE]) is not int or pod_spec[_GRACE] <= drain:
        return
    for container in pod_spec["containers"]:
        lifecycle = container.get("lifecycle", {})
        if isinstance(lifecycle, dict) and "preStop" not in lifecycle:
            container["lifecycle"] = {**lifecycle, "preStop": {"sleep": {"seconds": drain}}}


def _drain_seconds(
    pod_spec: dict[str, Any], endpoint: EndpointConfig, settings: RenderSettings, *, serves_http: bool
) -> int:
    if endpoint.drain_seconds is not None:
        return endpoint.drain_seconds
    is_own = any(
        container["name"] == MODEL_CONTAINER and _has_pre_stop(container)
        for container in pod_spec["containers"]
    )
    return settings.drain_seconds if serves_http and not is_own else 0


def _has_pre_stop(container: dict[str, Any]) -> bool:
    lifecycle = container.get("lifecycle")
    return isinstance(lifecycle, dict) and "preStop" in lifecycle
