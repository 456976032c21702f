"""Templates as the platform's ModelTemplate.

The platform's types of some fields are narrower than ours: a whole number of CPUs, a list of known GPU types.
Where a field has a value that these cannot have, it is left out, and ``as_written`` beside it has the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from model_operator.api import (
    Autoscaler,
    BundleConfig,
    EndpointConfig,
    EndpointProtocol,
    EndpointType,
    GpuType,
)
from model_operator.core.gateway.rest.model_answers import creator_fields
from model_operator.core.gateway.rest.parameter_lists import parameter_list

AS_WRITTEN: Final = "as_written"
"""Key beside fields that the platform's types cannot have, with these fields as the template has them."""
EVERY_ACCOUNT: Final = "*"
"""The account of a template for models in all namespaces."""

_ALIASES: Final = {EndpointProtocol.OPENAI: EndpointProtocol.VLLM}
"""Two names of one convention, of which the platform has the second."""
_PROTOCOLS: Final = frozenset({EndpointProtocol.SGP, EndpointProtocol.COHERE, EndpointProtocol.VLLM})
_GPU_TYPES: Final = frozenset(each.value for each in GpuType)
_MILLI: Final = 1000


def template_answer(template: Mapping[str, Any], account: str) -> dict[str, Any]:
    """Return a template.

    Parameters
    ----------
    template
        A ModelTemplate or ClusterModelTemplate as the API server sends it.
    account
        Its account, for answers.
    """
    metadata, spec = template["metadata"], _mapping(template.get("spec"))
    answer: dict[str, Any] = {
        "id": metadata["uid"],
        "name": spec.get("name") or metadata["name"],
        "account_id": account,
        "created_at": metadata.get("creationTimestamp"),
        **creator_fields(metadata, _mapping(template.get("status"))),
        "endpoint_type": spec.get("endpoint_type") or EndpointType.SYNC.value,
        "model_type": spec.get("model_type"),
        "vendor_configuration": _vendor_configuration(_mapping(spec.get("vendor_configuration"))),
    }
    for key in ("model_creation_parameters_schema", "model_request_parameters_schema"):
        if isinstance(spec.get(key), Mapping):
            answer[key] = parameter_list(spec[key])
    protocol = spec.get("endpoint_protocol")
    if protocol is not None:
        shown = _ALIASES.get(protocol, protocol)
        if shown in _PROTOCOLS:
            answer["endpoint_protocol"] = str(shown)
        if shown != protocol or shown not in _PROTOCOLS:
            answer[AS_WRITTEN] = {"endpoint_protocol": protocol}
    return answer


def _vendor_configuration(written: Mapping[str, Any]) -> dict[str, Any]:
    bundle = _mapping(written.get("bundle_config"))
    return {
        "vendor": written.get("vendor") or "LAUNCH",
        "bundle_config": {
            **_defaults(BundleConfig, "predict_route"),
            "command": [],
            "env": {},
            # An image may have a digest alone.
            "tag": "",
            **bundle,
        },
        "endpoint_config": _endpoint_config(_mapping(written.get("endpoint_config"))),
    }


def _endpoint_config(written: Mapping[str, Any]) -> dict[str, Any]:
    answer = {**_defaults(EndpointConfig, "min_workers", "per_worker"), "high_priority": False, **written}
    if answer.get("autoscaler") != Autoscaler.EXTERNAL:
        # The maximum of an external autoscaler is not known here.
        answer.setdefault("max_workers", answer["min_workers"])
    as_written: dict[str, Any] = {}
    for key, narrow in _NARROWED.items():
        if key in written:
            value = narrow(written[key])
            if value is None:
                del answer[key]
                as_written[key] = written[key]
            else:
                answer[key] = value
    if as_written:
        answer[AS_WRITTEN] = as_written
    return answer


def _whole_number(quantity: Any) -> int | None:
    """Return a quantity that is a whole number; None for any other, and for a reference."""
    if isinstance(quantity, int):
        return quantity
    found = re.fullmatch(r"([0-9]{1,9})(m?)", str(quantity), re.ASCII)
    if found is None:
        return None
    amount = int(found[1])
    if not found[2]:
        return amount
    return None if amount % _MILLI else amount // _MILLI


def _known_gpu_type(name: Any) -> str | None:
    return name if name in _GPU_TYPES else None


_NARROWED: Final[Mapping[str, Callable[[Any], Any]]] = {
    "cpus": _whole_number,
    "gpus": _whole_number,
    "gpu_type": _known_gpu_type,
    "memory": str,
    "storage": str,
}


def _defaults(model: type[BundleConfig | EndpointConfig], *names: str) -> dict[str, Any]:
    return {name: model.model_fields[name].default for name in names}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
