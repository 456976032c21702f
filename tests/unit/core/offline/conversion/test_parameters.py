"""Which values become parameters, by options and by default."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.core.offline.conversion.notes import ConversionError
from tests.unit.core.offline.conversion.conversions import bundle, child, converted, deployment

CONTAINER = {
    "command": ["vllm", "serve"],
    "args": ["org/model", "--max-model-len", "4096", "--dtype=auto", "--verbose", "--seed=007"],
    "env": [
        {"name": "THREADS", "value": "8"},
        {"name": "RATIO", "value": "0.50"},
        {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf", "key": "token"}}},
    ],
    "volumeMounts": [{"name": "cache", "mountPath": "/cache"}],
}
POD = {
    "volumes": [{"name": "cache", "persistentVolumeClaim": {"claimName": "weights"}}],
    "priorityClassName": "low",
}


def made(*parameters: tuple[str, str], **options: Any) -> Any:
    found = converted(deployment(container=CONTAINER, pod=POD), parameters=parameters, **options)
    assert found.is_valid, [str(each) for each in found.findings]
    return found


def properties(found: Any) -> Any:
    return found.template["spec"].get("model_creation_parameters_schema", {}).get("properties", {})


def test_defaults() -> None:
    found = made()

    schema = found.template["spec"]["model_creation_parameters_schema"]
    assert schema["required"] == ["model"]
    kinds = {name: (each["type"], each.get("default")) for name, each in schema["properties"].items()}
    assert kinds == {
        "model": ("string", None),
        "max_model_len": ("integer", 4096),
        "dtype": ("string", "auto"),
        "claim": ("string", "weights"),
    }
    assert bundle(found)["args"] == [
        "$(parameters.model)",
        "--max-model-len",
        "$(parameters.max_model_len)",
        "--dtype=$(parameters.dtype)",
        "--verbose",
        "--seed=007",
    ]


def test_no_defaults() -> None:
    assert properties(made(has_defaults=False)) == {}


@pytest.mark.parametrize(
    ("parameter", "schema"),
    [
        (("THREADS", "THREADS"), {"type": "integer", "default": 8}),
        (("threads", "THREADS"), {"type": "integer", "default": 8, "x-env": False}),
        (("ratio", "RATIO"), {"type": "string", "default": "0.50", "x-env": False}),
        (("seed", "--seed"), {"type": "string", "default": "007", "x-env": False}),
        (("context", "--max-model-len"), {"type": "integer", "default": 4096, "x-env": False}),
        (("HF_TOKEN", "HF_TOKEN"), {"x-secret-ref": True}),
        (
            ("volume", "pod_template.spec.volumes[0].persistentVolumeClaim.claimName"),
            {"type": "string", "default": "weights", "x-env": False},
        ),
        (
            ("tag", "spec.vendor_configuration.bundle_config.tag"),
            {"type": "string", "default": "1", "x-env": False},
        ),
        (
            ("priority", "pod_template.spec.priorityClassName"),
            {"type": "string", "default": "low", "x-env": False, "enum": ["low"]},
        ),
    ],
)
def test_a_chosen_parameter(parameter: tuple[str, str], schema: Any) -> None:
    found = made(parameter, has_defaults=False)

    assert properties(found) == {parameter[0]: schema}
    unchanged = child(made(has_defaults=False), "Deployment")["spec"]["template"]["spec"]
    rendered = child(found, "Deployment")["spec"]["template"]["spec"]
    for pod in (rendered, unchanged):
        pod["containers"][0]["env"].sort(key=lambda each: each["name"])
    assert rendered == unchanged


def test_a_chosen_parameter_precedes_the_default_of_the_same_place() -> None:
    found = made(("context", "--max-model-len"))

    assert {"context", "model"} <= properties(found).keys()
    assert "max_model_len" not in properties(found)


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        (("1x", "THREADS"), "the name must have letters"),
        (("x", "--absent"), "no argument is --absent with a value"),
        (("x", "--verbose"), "no argument is --verbose with a value"),
        (("x", "ABSENT"), "must be a variable of the container"),
        (("x", "pod_template.spec"), "must be a variable of the container"),
        (("x", "pod_template.spec.volumes[9].name"), "must be a variable of the container"),
        (("token", "HF_TOKEN"), "keeps its name, HF_TOKEN"),
    ],
)
def test_what_cannot_be_a_parameter(parameter: tuple[str, str], message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        made(parameter)


def test_a_name_is_used_once() -> None:
    with pytest.raises(ConversionError, match="must be unique"):
        made(("x", "THREADS"), ("x", "--seed"))


def test_another_model_reaches_every_container() -> None:
    init = {
        "name": "fetch",
        "image": "x/fetch:1",
        "args": ["org/model"],
        "env": [{"name": "M", "value": "org/model"}],
    }
    found = converted(deployment(container=CONTAINER, pod={**POD, "initContainers": [init]}))

    (fetch,) = found.template["spec"]["pod_template"]["spec"]["initContainers"]
    assert fetch["args"] == ["$(parameters.model)"]
    assert fetch["env"][0]["value"] == "$(parameters.model)"


def test_a_script_takes_no_parameters() -> None:
    script = {"command": ["/bin/sh", "-c"], "args": ["vllm serve org/model --max-model-len 4096"]}
    found = converted(deployment(container=script))

    assert properties(found) == {}
    assert any("script of a shell" in note.text for note in found.notes)
