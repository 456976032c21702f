"""Parameters arrive in a real container byte for byte, although the kubelet expands variables once more."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.cluster.nodes.real import SHELL_IMAGE

if TYPE_CHECKING:
    from tests.cluster.control_plane import ControlPlane
    from tests.cluster.kube_api import KubeApi

SECRET_VALUE = "s3cr3t"
REGISTRY, _, IMAGE = SHELL_IMAGE.rpartition("/")
PARAMETERS: dict[str, Any] = {
    "REFERENCE": "$(SECRET)",
    "ESCAPED": "$$(SECRET)",
    "DOUBLED": "a$$b",
    "DOLLARS": "$ $$ $$$ $( $) ${SECRET} $SECRET $(SECRET",
    "INSIDE": "a$(SECRET)b$$c$d",
    "UNICODE": "naïve ≠ 模型 \N{GRINNING FACE}",
    "LINES": "first\nsecond\n\ttabbed\n",
    "QUOTES": "'single' \"double\" \\back `tick`",
    "EMPTY": "",
    "INTEGER": -42,
    "NUMBER": 0.25,
    "TRUTH": True,
    "LIST": ["$(SECRET)", 1, None],
    "OBJECT": {"key": "$(SECRET)", "nested": {"a": [False]}},
}
TYPES: dict[type, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    list: "array",
    dict: "object",
}
WORDS = ["plain", "$(SECRET)", "with space", "", "$$"]


def template() -> dict[str, Any]:
    properties: dict[str, Any] = {name: {"type": TYPES[type(value)]} for name, value in PARAMETERS.items()}
    properties["WORDS"] = {"type": "array", "items": {"type": "string"}}
    properties["TOKEN"] = {"type": "object", "x-secret-ref": True}
    references = [
        "$(parameters.REFERENCE)",
        "<$(parameters.INSIDE)>",
        "$(parameters.LINES)",
        "$(parameters.TRUTH)",
    ]
    return {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": "ModelTemplate",
        "metadata": {"name": "echo"},
        "spec": {
            "model_type": "GENERIC",
            "endpoint_type": "ASYNC",
            "vendor_configuration": {
                "bundle_config": {
                    "registry": REGISTRY,
                    "image": IMAGE.split(":")[0],
                    "tag": IMAGE.split(":")[1],
                    # What follows the script stays visible as the process's own words.
                    "command": ["sh", "-c", "sleep 3600; true"],
                    "args": ["echo", *references, "$(parameters.WORDS[*])", "$(SECRET)", "$$(SECRET)"],
                    "env": {"OWN_REFERENCE": "<$(SECRET)>", "MIXED": "$(SECRET)/$(parameters.REFERENCE)"},
                },
                "endpoint_config": {"cpus": "10m", "memory": "32Mi", "storage": "32Mi"},
            },
            "model_creation_parameters_schema": {
                "type": "object",
                "required": list(properties),
                "properties": properties,
            },
            "pod_template": {"spec": {"containers": [{"name": "model", "env": [secret_variable()]}]}},
        },
    }


def secret_variable() -> dict[str, Any]:
    return {
        "name": "SECRET",
        "valueFrom": {"secretKeyRef": {"name": "credentials", "key": "token"}},
    }


def test_values_arrive_byte_for_byte(
    real_node: ControlPlane, node_operator: None, node_api: KubeApi, node_namespace: str
) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "credentials"}}
    node_api.apply({**secret, "stringData": {"token": SECRET_VALUE}})
    node_api.apply(template())
    token = {"name": "credentials", "key": "token"}
    node_api.apply(
        {
            "apiVersion": "modeloperator.dev/v1alpha1",
            "kind": "ModelInstance",
            "metadata": {"name": "echo"},
            "spec": {
                "model_template_id": "echo",
                "model_creation_parameters": {**PARAMETERS, "WORDS": WORDS, "TOKEN": token},
            },
        }
    )
    node_api.wait_for_condition("ModelInstance", "echo", "Ready", deadline=90)

    environment = dict(
        entry.split("=", 1) for entry in read(real_node, node_namespace, "/proc/1/environ") if "=" in entry
    )
    arguments = read(real_node, node_namespace, "/proc/1/cmdline")

    arrived = {name: environment.get(name) for name in PARAMETERS}
    assert arrived == {
        name: value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        for name, value in PARAMETERS.items()
    }
    assert environment["TOKEN"] == SECRET_VALUE
    # The template's own references are the kubelet's to expand; what a parameter brings is not.
    assert environment["OWN_REFERENCE"] == f"<{SECRET_VALUE}>"
    assert environment["MIXED"] == f"{SECRET_VALUE}/$(SECRET)"
    assert arguments == [
        "sh",
        "-c",
        "sleep 3600; true",
        "echo",
        PARAMETERS["REFERENCE"],
        f"<{PARAMETERS['INSIDE']}>",
        PARAMETERS["LINES"],
        "true",
        *WORDS,
        SECRET_VALUE,
        "$(SECRET)",
    ]


def read(cluster: ControlPlane, namespace: str, file: str) -> list[str]:
    """Give the strings of a file in the model's container, each of which ends with a zero byte."""
    shown = cluster.kubectl("exec", "deployment/echo", "--namespace", namespace, "--", "cat", file).stdout
    return shown.split("\0")[:-1]
