"""Warnings about values of ``pod_template`` that ``bundle_config`` or ``endpoint_config`` overrule.

The template states these twice. The explicit field counts, and the other would disappear without a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from model_operator.api import ModelTemplateSpec
from model_operator.core.templates.layering import stated_model
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.values.quantities import parse_quantity
from model_operator.core.values.violations import Loc, Violation

_BUNDLE: Final = "bundle_config"
_ENDPOINT: Final = "endpoint_config"
_POD_LOC: Final[Loc] = ("spec", "pod_template", "spec")
_GRACE: Final = "terminationGracePeriodSeconds"


def overruled(
    spec: ModelTemplateSpec, model: Mapping[str, Any], settings: RenderSettings
) -> Iterator[Violation]:
    """Yield a warning for each value of ``pod_template`` that another field of the template replaces.

    Parameters
    ----------
    spec
        ``spec`` of a template whose ``pod_template`` can be merged.
    model
        The container that serves the model, of `core.templates.layering.layered_pod`.
    settings
        The cluster's conventions.
    """
    stated = stated_model(spec)
    containers = ((spec.pod_template or {}).get("spec") or {}).get("containers") or ()
    index = next((place for place, each in enumerate(containers) if each is stated), 0)
    loc: Loc = (*_POD_LOC, "containers", index)
    for field, cause in _fields(spec).items():
        given = stated.get(field)
        if given is not None and given != model.get(field):
            yield _warning((*loc, field), cause)
    yield from _variables(spec, stated, loc)
    yield from _resources(spec, stated, loc, settings)
    yield from _stopping(spec, stated)


def _fields(spec: ModelTemplateSpec) -> dict[str, str]:
    """Return the stated fields of the bundle, by the field of the container that each replaces."""
    bundle = spec.vendor_configuration.bundle_config
    causes: dict[str, str] = {}
    if bundle.command is not None or bundle.streaming_command is not None:
        causes["command"] = f"{_BUNDLE}.command"
    if bundle.args is not None:
        causes["args"] = f"{_BUNDLE}.args"
    if bundle.image_pull_policy is not None:
        causes["imagePullPolicy"] = f"{_BUNDLE}.image_pull_policy"
    if bundle.healthcheck_route is not None:
        causes["readinessProbe"] = causes["startupProbe"] = f"{_BUNDLE}.healthcheck_route"
    return causes


def _variables(spec: ModelTemplateSpec, stated: Mapping[str, Any], loc: Loc) -> Iterator[Violation]:
    given = spec.vendor_configuration.bundle_config.env
    for index, variable in enumerate(stated.get("env") or ()):
        name = variable.get("name")
        if name in given and {"name": name, "value": given[name]} != variable:
            yield _warning((*loc, "env", index), f"{_BUNDLE}.env")


def _resources(
    spec: ModelTemplateSpec, stated: Mapping[str, Any], loc: Loc, settings: RenderSettings
) -> Iterator[Violation]:
    endpoint = spec.vendor_configuration.endpoint_config
    causes = {
        "cpu": ("cpus", endpoint.cpus),
        "memory": ("memory", endpoint.memory),
        "ephemeral-storage": ("storage", endpoint.storage),
    }
    for field in ("limits", "requests"):
        for name, amount in ((stated.get("resources") or {}).get(field) or {}).items():
            gpus = ("gpus", endpoint.gpus) if settings.is_gpu_resource(name) else ("", None)
            cause, given = causes.get(name, gpus)
            if given is not None and amount is not None and not _is_same(amount, given):
                yield _warning((*loc, "resources", field, name), f"{_ENDPOINT}.{cause}")


def _stopping(spec: ModelTemplateSpec, stated: Mapping[str, Any]) -> Iterator[Violation]:
    endpoint = spec.vendor_configuration.endpoint_config
    own, grace = (
        ((spec.pod_template or {}).get("spec") or {}).get(_GRACE),
        endpoint.termination_grace_period_seconds,
    )
    if grace is not None and own is not None and own != grace:
        yield _warning((*_POD_LOC, _GRACE), f"{_ENDPOINT}.termination_grace_period_seconds")
    lifecycle = stated.get("lifecycle")
    if endpoint.drain_seconds and isinstance(lifecycle, Mapping) and lifecycle.get("preStop") is not None:
        message = "has no effect on the container model, whose preStop in pod_template is kept; remove one"
        yield Violation(("spec", "vendor_configuration", _ENDPOINT, "drain_seconds"), message, "overruled")


def _is_same(amount: Any, given: Any) -> bool:
    try:
        return parse_quantity(amount) == parse_quantity(given)
    except (TypeError, ValueError):
        return str(amount) == str(given)  # references


def _warning(loc: Loc, cause: str) -> Violation:
    message = f"has no effect, since spec.vendor_configuration.{cause} replaces it; remove one of the two"
    return Violation(loc, message, "overruled")
