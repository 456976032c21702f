"""A text that looks like a reference and is none makes the template invalid, wherever it is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.templates.references import parse_text
from tests.unit.core.templates.templates import compiled, faults

ALMOST = {
    "$(parameter.model)": "$(parameters.model)",
    "$(params.model)": "$(parameters.model)",
    "$(param.model)": "$(parameters.model)",
    "$(Parameters.model)": "$(parameters.model)",
    "$(PARAMETERS.MODEL)": "$(parameters.model)",
    "$( parameters.model )": "$(parameters.model)",
    "$(parameters.model )": "$(parameters.model)",
    "$(parameters . model)": "$(parameters.model)",
    "$((parameters.model))": "$(parameters.model)",
    "$(parameters['model'])": "$(parameters.model)",
    "$(parameters[model])": "$(parameters.model)",
    "$(parameter.list[*])": "$(parameters.list[*])",
    "$(spec.model_creation_parameters.model)": "$(parameters.model)",
    "$(model_creation_parameters.model)": "$(parameters.model)",
    "$(inputs.parameters.model)": "$(parameters.model)",
    "$(params.max_len)": "$(parameters.MAX_LEN)",
    "$(params.modle)": "$(parameters.model)",
    "$(params.other)": "$(parameters.other)",
    "$(Instance.name)": "$(instance.name)",
    "$(instances.namespace)": "$(instance.namespace)",
    "$(metadata.uid)": "$(instance.id)",
    "${parameters.model}": "$(parameters.model)",
    "${params.model}": "$(parameters.model)",
    "${ parameters.model }": "$(parameters.model)",
    "${{ parameters.model }}": "$(parameters.model)",
    "${instance.name}": "$(instance.name)",
    "$[parameters.model]": "$(parameters.model)",
    "$parameters.model": "$(parameters.model)",
    "{{ parameters.model }}": "$(parameters.model)",
    "{{parameters.model}}": "$(parameters.model)",
    "{{- params.model -}}": "$(parameters.model)",
    "{{ .parameters.model }}": "$(parameters.model)",
    "{{ .Values.model }}": "$(parameters.model)",
    "{{ $.Values.server.model }}": "$(parameters.model)",
    "{{ .Values.other | quote }}": "$(parameters.other)",
    "{{ .Release.Name }}": "$(instance.name)",
    "{{ .Release.Namespace }}": "$(instance.namespace)",
    "{{ instance.name }}": "$(instance.name)",
    "{% if x %}{{ parameters.model }}": "$(parameters.model)",
    "{parameters.model}": "$(parameters.model)",
    "<parameters.model>": "$(parameters.model)",
    "%(parameters.model)s": "$(parameters.model)",
    "#{parameters.model}": "$(parameters.model)",
    "[[ parameters.model ]]": "$(parameters.model)",
}
OTHER = [
    "$$(parameter.model)",
    "$${parameters.model}",
    "${MODEL}",
    "${PARAMS:-default}",
    "${params[@]}",
    "${parameters}",
    "$(parameters)",
    "{{ message.content }}",
    "{% for m in messages %}{{ m['role'] }}{{ params.depth }}{% endfor %}",
    "{{ tool.function.parameters.properties }}",
    "{{ tool.parameters.model }}",
    "{% for t in tools %}{{ t.function.parameters.model }}{% endfor %}",
    "{{ values.first }}",
    "{{ $labels.instance }}",
    "{parameters.other}",
    "<params.other>",
    "$.parameters.model",
    "/etc/params.model",
    '{"parameters.model": 1}',
    "see parameters.model",
    "$(cat params.json)",
    "$(date)",
]


@pytest.mark.parametrize("text", ALMOST)
@pytest.mark.parametrize("before", ["", "--model=", "$$"])
def test_an_almost_reference_is_refused(text: str, before: str) -> None:
    template = compiled(args=["serve", f"{before}{text}/x"] if before != "$$" else [f"a$$ {text}"])

    (message,) = faults(template).values()

    assert message.endswith(f"; did you mean {ALMOST[text]}?")
    assert "is not a reference" in message


@pytest.mark.parametrize("text", OTHER)
def test_what_only_resembles_it_is_accepted(text: str) -> None:
    assert faults(compiled(args=["serve", text])) == {}


def nested(path: str, text: str) -> Any:
    value: Any = text
    for part in reversed(path.split(".")):
        value = [value] if part == "*" else {part: value}
    return value


@pytest.mark.parametrize(
    ("bundle", "pod_template", "path"),
    [
        ({"command": ["run", "X"]}, None, "spec.vendor_configuration.bundle_config.command[1]"),
        ({"env": {"A": "X"}}, None, "spec.vendor_configuration.bundle_config.env.A"),
        ({"healthcheck_route": "/X"}, None, "spec.vendor_configuration.bundle_config.healthcheck_route"),
        ({"predict_route": "/X"}, None, "spec.vendor_configuration.bundle_config.predict_route"),
        ({}, {"metadata": {"annotations": {"note": "X"}}}, "spec.pod_template.metadata.annotations.note"),
        ({}, {"metadata": {"labels": {"X": "a"}}}, "spec.pod_template.metadata.labels[X]"),
        ({}, {"spec": {"nodeSelector": {"zone": "X"}}}, "spec.pod_template.spec.nodeSelector.zone"),
        ({}, {"spec": {"serviceAccountName": "X"}}, "spec.pod_template.spec.serviceAccountName"),
        (
            {},
            {"spec": {"volumes": [{"name": "a", "persistentVolumeClaim": {"claimName": "X"}}]}},
            "spec.pod_template.spec.volumes[0].persistentVolumeClaim.claimName",
        ),
        (
            {},
            {"spec": {"initContainers": [{"name": "a", "image": "b", "args": ["X"]}]}},
            "spec.pod_template.spec.initContainers[0].args[0]",
        ),
    ],
)
def test_wherever_it_is(bundle: Any, pod_template: Any, path: str) -> None:
    def filled(value: Any) -> Any:
        match value:
            case dict():
                return {filled(key): filled(item) for key, item in value.items()}
            case list():
                return [filled(item) for item in value]
            case str():
                return value.replace("X", "${parameters.model}")
        return value

    (found,) = faults(compiled(filled(pod_template), **filled(bundle)))

    assert found == path.replace("X", "${parameters.model}")


def test_a_misspelled_parameter_gets_the_right_name() -> None:
    (message,) = faults(compiled(args=["$(parameters.Model)"])).values()

    assert message.endswith("; did you mean $(parameters.model)?")


SIGNS = st.sampled_from([("$(", ")"), ("${", "}"), ("{{", "}}"), ("${{", "}}"), ("$[", "]")])
ROOTS = st.sampled_from(
    ["parameters", "parameter", "params", "Params", "PARAMETERS", "model_creation_parameters"]
)
SPACES = st.sampled_from(["", " ", "  "])
TEXTS = st.text(alphabet="ab -=/:.,\n", max_size=8)


@given(
    sign=SIGNS,
    root=ROOTS,
    name=st.sampled_from(["model", "MAX_LEN", "nope"]),
    before=TEXTS,
    after=TEXTS,
    gap=SPACES,
)
def test_any_text_with_one(sign: Any, root: str, name: str, before: str, after: str, gap: str) -> None:
    text = f"{before}{sign[0]}{gap}{root}.{name}{gap}{sign[1]}{after}"

    found = compiled(env={"A": text}).violations

    references = parse_text(text, kubelet=True).references if sign[0] == "$(" and not gap else ()
    if references and root == "parameters":
        assert bool(found) == (name == "nope")
    else:
        assert [fault.type for fault in found] == ["almost_reference"]
