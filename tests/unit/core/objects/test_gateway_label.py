"""The label that keeps an instance from being registered at the gateway."""

from __future__ import annotations

import pytest

from model_operator.core.objects.gateway_label import GATEWAY_LABEL, gateway_label_fault, is_opted_out


@pytest.mark.parametrize(
    ("labels", "is_off", "is_known"),
    [
        (None, False, True),
        ({}, False, True),
        ("off", False, True),
        ({"app": "off"}, False, True),
        ({GATEWAY_LABEL: "on"}, False, True),
        ({GATEWAY_LABEL: "off"}, True, True),
        ({GATEWAY_LABEL: "Off"}, False, False),
        ({GATEWAY_LABEL: "false"}, False, False),
        ({GATEWAY_LABEL: ""}, False, False),
        ({GATEWAY_LABEL: False}, False, False),
        ({GATEWAY_LABEL: ["off"]}, False, False),
    ],
)
def test_only_off_opts_out_and_what_has_no_effect_is_reported(
    labels: object, *, is_off: bool, is_known: bool
) -> None:
    fault = gateway_label_fault(labels)

    assert is_opted_out(labels) == is_off
    assert (fault is None) == is_known
    if fault is not None:
        assert fault.loc == ("metadata", "labels", GATEWAY_LABEL)
