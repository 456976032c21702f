"""Warnings about a model whose probes, port or Service say another protocol than its URL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from model_operator.api import ModelTemplateSpec
from model_operator.api.enums import ServiceScheme
from model_operator.core.templates.layering import stated_model
from model_operator.core.templates.pod_paths import PROBES
from model_operator.core.templates.ports import ServedPort, served_port
from model_operator.core.values.violations import Loc, Violation

_CONTAINERS_LOC: Final[Loc] = ("spec", "pod_template", "spec", "containers")
_SERVICE_LOC: Final[Loc] = ("spec", "service", "ports")
_WEB: Final = {"http": ServiceScheme.HTTP, "https": ServiceScheme.HTTPS}


def scheme_warnings(spec: ModelTemplateSpec) -> Iterator[Violation]:
    """Yield what says HTTPS of the served port where ``service.scheme`` is http, and the reverse.

    Parameters
    ----------
    spec
        ``spec`` of a template whose ``pod_template`` can be merged.
    """
    model = stated_model(spec)
    served = served_port(model, spec)
    scheme = ServiceScheme.HTTP if spec.service is None else spec.service.scheme or ServiceScheme.HTTP
    if served is None or not spec.endpoint_type.serves_http or scheme is ServiceScheme.GRPC:
        return
    containers = ((spec.pod_template or {}).get("spec") or {}).get("containers") or ()
    index = next((number for number, each in enumerate(containers) if each is model), 0)
    for path, found in _schemes(spec, model, served):
        if found is not scheme:
            yield _warning((*_CONTAINERS_LOC, index, *path), found, scheme)
    for number, port in enumerate((spec.service and spec.service.ports) or ()):
        protocol = _WEB.get((port.app_protocol or "").lower())
        if protocol not in (None, scheme) and port.target_port in (None, served.number, served.name):
            yield _warning((*_SERVICE_LOC, number, "app_protocol"), protocol, scheme)


def _schemes(
    spec: ModelTemplateSpec, model: Mapping[str, Any], served: ServedPort
) -> Iterator[tuple[Loc, ServiceScheme]]:
    """Yield what the probes and the name of the served port say of its protocol."""
    # The route replaces these probes, which has its own warning.
    is_replaced = spec.vendor_configuration.bundle_config.healthcheck_route is not None
    for probe in sorted(PROBES - ({"readinessProbe", "startupProbe"} if is_replaced else set())):
        action = model.get(probe)
        get = action.get("httpGet") if isinstance(action, Mapping) else None
        if not isinstance(get, Mapping) or get.get("port") not in (served.number, served.name):
            continue
        found = _WEB.get(str(get.get("scheme") or "HTTP").lower())
        if found is not None:
            yield (probe, "httpGet", *(("scheme",) if get.get("scheme") else ())), found
    if served.index is not None and served.name == ServiceScheme.HTTPS.value:
        yield ("ports", served.index, "name"), ServiceScheme.HTTPS


def _warning(loc: Loc, found: ServiceScheme | None, scheme: ServiceScheme) -> Violation:
    message = (
        f"says that the served port speaks {found}, but the model's URL begins with {scheme}; set "
        f"spec.service.scheme to {found} if the model serves that, or correct this field"
    )
    return Violation(loc, message, "scheme")
