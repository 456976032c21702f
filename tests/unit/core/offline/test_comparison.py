"""Live objects reduced to what was applied, and compared with what is to be applied."""

from __future__ import annotations

from typing import Any

from model_operator.core.objects.drift import APPLIED_HASH
from model_operator.core.offline.comparison import as_applied, differences

WANTED: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "a", "namespace": "n", "annotations": {APPLIED_HASH: "of the new"}},
    "spec": {
        "paused": False,
        "template": {
            "spec": {
                "automountServiceAccountToken": False,
                "containers": [
                    {"name": "model", "image": "i:2", "resources": {"limits": {"cpu": "1000m"}}},
                    {"name": "side", "image": "s"},
                ],
            }
        },
    },
}
LIVE: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "a",
        "namespace": "n",
        "uid": "u",
        "managedFields": [
            {
                "manager": "model-operator",
                "operation": "Apply",
                "fieldsV1": {
                    "f:spec": {
                        "f:template": {
                            "f:spec": {
                                "f:automountServiceAccountToken": {},
                                "f:containers": {
                                    'k:{"name":"side"}': {".": {}, "f:name": {}, "f:image": {}},
                                    'k:{"name":"model"}': {
                                        ".": {},
                                        "f:name": {},
                                        "f:image": {},
                                        "f:resources": {"f:limits": {"f:cpu": {}}},
                                    },
                                },
                            }
                        }
                    }
                },
            }
        ],
    },
    "spec": {
        "template": {
            "spec": {
                "automountServiceAccountToken": False,
                "containers": [
                    {"name": "injected", "image": "x"},
                    {"name": "side", "image": "s"},
                    {"name": "model", "image": "i:1", "resources": {"limits": {"cpu": "1"}}},
                ],
            }
        }
    },
}


def changes(live: dict[str, Any]) -> set[str]:
    """Give the lines that differ, but for the hash."""
    lines = differences(as_applied([live], [WANTED]), [WANTED])
    changed = [line for line in lines if line[0] in "+-" and line[:3] not in ("+++", "---")]
    told = {line[0] + line[1:].strip(" -") for line in changed}
    return {line for line in told if APPLIED_HASH not in line and line != "+annotations:"}


def test_only_what_was_applied_is_compared() -> None:
    assert changes(LIVE) == {"-image: i:1", "+image: i:2"}


def test_a_zero_that_somebody_changed_is_a_difference() -> None:
    changed = {**LIVE, "spec": {**LIVE["spec"], "paused": True}}

    assert changes(changed) == {"-image: i:1", "+image: i:2", "+paused: false"}


def test_a_meaningful_zero_that_is_gone_is_a_difference() -> None:
    pods = {"spec": {"containers": LIVE["spec"]["template"]["spec"]["containers"]}}

    assert "+automountServiceAccountToken: false" in changes({**LIVE, "spec": {"template": pods}})


def test_objects_are_told_by_kind_and_name() -> None:
    other = {**WANTED, "metadata": {"name": "b", "namespace": "n"}}

    titles = [line for line in differences([WANTED], [other]) if line[:3] in ("---", "+++")]

    assert titles == [
        "--- before: Deployment n/a",
        "+++ after: none",
        "--- before: none",
        "+++ after: Deployment n/b",
    ]
    assert list(differences([WANTED, other], [other, WANTED])) == []
