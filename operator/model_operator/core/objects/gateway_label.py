"""The label of an instance that keeps it from being registered at the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from model_operator.api import GROUP
from model_operator.core.values.violations import Violation

GATEWAY_LABEL: Final = f"{GROUP}/gateway"
_OFF: Final = "off"
_KNOWN: Final = ("on", _OFF)
_RULE: Final = (
    'must be "off" or "on", in lower case and in quotes; with any other value the model is registered'
)


def is_opted_out(labels: Any) -> bool:
    """Return whether an instance with these labels is not registered at the gateway.

    Parameters
    ----------
    labels
        ``metadata.labels``, of whatever type.
    """
    return isinstance(labels, Mapping) and labels.get(GATEWAY_LABEL) == _OFF


def gateway_label_fault(labels: Any) -> Violation | None:
    """Return that the label has a value without effect; None if it has not.

    Parameters
    ----------
    labels
        ``metadata.labels``, of whatever type.
    """
    if not isinstance(labels, Mapping) or GATEWAY_LABEL not in labels or labels[GATEWAY_LABEL] in _KNOWN:
        return None
    return Violation(("metadata", "labels", GATEWAY_LABEL), _RULE, "enum")
