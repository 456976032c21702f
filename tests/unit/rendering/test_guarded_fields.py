"""Fields that decide on what a pod may do or see take only values that the template lists."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from model_operator.api import ModelInstance, ModelTemplate
from model_operator.core.rendering import render
from model_operator.core.templates import CompiledTemplate, compile_template

OPEN = {
    "TEXT": {"type": "string"},
    "COUNT": {"type": "integer"},
    "FLAG": {"type": "boolean"},
    "LIST": {"type": "array", "items": {"type": "integer"}},
    "OBJECT": {"type": "object"},
}
LISTED = {
    "TEXT": {"type": "string", "enum": ["one", "two"]},
    "COUNT": {"anyOf": [{"const": 1000}, {"const": 2000}]},
    "FLAG": {"const": False},
    "LIST": {"type": "array", "items": {"enum": [1, 2]}},
    "OBJECT": {"enum": [{"secretName": "a"}, {"secretName": "b"}]},
}
VALUES = {"TEXT": "two", "COUNT": 2000, "FLAG": False, "LIST": [2, 1], "OBJECT": {"secretName": "b"}}

# Each line: where in the pod template, what stands there, what it becomes.
FIELDS = """
serviceAccountName: [$(parameters.TEXT), two]
serviceAccount: [$(parameters.TEXT), two]
hostNetwork: [$(parameters.FLAG), false]
hostPID: [$(parameters.FLAG), false]
hostIPC: [$(parameters.FLAG), false]
hostUsers: [$(parameters.FLAG), false]
priorityClassName: [$(parameters.TEXT), two]
runtimeClassName: [$(parameters.TEXT), two]
nodeName: [$(parameters.TEXT), two]
imagePullSecrets: [[{name: registry-$(parameters.TEXT)}], [{name: registry-two}]]
securityContext.runAsUser: [$(parameters.COUNT), 2000]
securityContext.fsGroup: [$(parameters.COUNT), 2000]
securityContext.runAsNonRoot: [$(parameters.FLAG), false]
securityContext.supplementalGroups: [["$(parameters.LIST[*])"], [2, 1]]
securityContext.seccompProfile.localhostProfile: [$(parameters.TEXT), two]
securityContext.sysctls: [[{name: $(parameters.TEXT), value: "1"}], [{name: two, value: "1"}]]
volumes.hostPath.path: [/data/$(parameters.TEXT), /data/two]
volumes.hostPath.type: [$(parameters.TEXT), two]
volumes.secret: [$(parameters.OBJECT), {secretName: b}]
volumes.secret.secretName: [hub-$(parameters.TEXT), hub-two]
volumes.projected.sources: [[{secret: {name: $(parameters.TEXT)}}], [{secret: {name: two}}]]
volumes.csi.nodePublishSecretRef.name: [$(parameters.TEXT), two]
volumes.csi.volumeAttributes.secretProviderClass: [$(parameters.TEXT), two]
volumes.nfs.server: [$(parameters.TEXT), two]
volumes.azureFile.secretNamespace: [$(parameters.TEXT), two]
volumes.azureFile.secretName: [$(parameters.TEXT), two]
containers.securityContext.privileged: [$(parameters.FLAG), false]
containers.securityContext.runAsUser: [$(parameters.COUNT), 2000]
containers.securityContext.capabilities.add: [[$(parameters.TEXT)], [two]]
containers.env.valueFrom.secretKeyRef.name: [$(parameters.TEXT), two]
containers.envFrom.secretRef.name: [$(parameters.TEXT), two]
initContainers.securityContext.allowPrivilegeEscalation: [$(parameters.FLAG), false]
initContainers.envFrom.secretRef.name: [$(parameters.TEXT), two]
"""
LISTS = {"volumes", "containers", "initContainers", "env", "envFrom"}
CASES = [
    pytest.param(path.split("."), *written_and_rendered, id=path)
    for path, written_and_rendered in yaml.safe_load(FIELDS).items()
]


def nested(path: list[str], value: Any) -> Any:
    if not path:
        return value
    name, rest = path[0], nested(path[1:], value)
    if name in LISTS:
        rest = [{"name": "model" if name == "containers" else "a", **rest}]
    return {name: rest}


def at(path: list[str], obj: Any) -> Any:
    for name in path:
        obj = obj[name]
        if name in LISTS:
            obj = next(each for each in obj if each["name"] in {"a", "model"})
    return obj


def compiled(pod_spec: Any, properties: Any, **bundle: Any) -> CompiledTemplate:
    return compile_template(
        ModelTemplate.model_validate(
            {
                "apiVersion": "modeloperator.dev/v1alpha1",
                "kind": "ModelTemplate",
                "metadata": {"name": "t", "namespace": "ml"},
                "spec": {
                    "model_type": "GENERIC",
                    "model_creation_parameters_schema": {
                        "properties": properties,
                        "required": sorted(properties),
                    },
                    "vendor_configuration": {
                        "bundle_config": {"registry": "ghcr.io", "image": "a/b", "tag": "1", **bundle}
                    },
                    "pod_template": {"spec": pod_spec},
                },
            }
        )
    )


INSTANCE = ModelInstance.model_validate(
    {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": "ModelInstance",
        "metadata": {"name": "one", "namespace": "ml"},
        "spec": {"model_template_id": "t", "model_creation_parameters": VALUES},
    }
)


@pytest.mark.parametrize(("path", "written", "rendered"), CASES)
def test_any_value_is_refused_in_the_template(path: list[str], written: Any, rendered: Any) -> None:
    (violation,) = compiled(nested(path, written), OPEN).violations

    assert violation.type == "closed_values"
    assert "needs a parameter with enum here" in violation.msg
    named = [part for part in violation.loc if isinstance(part, str)]
    assert named[: 3 + len(path)] == ["spec", "pod_template", "spec", *path]


@pytest.mark.parametrize(("path", "written", "rendered"), CASES)
def test_a_listed_value_gets_in(path: list[str], written: Any, rendered: Any) -> None:
    rendering = render(compiled(nested(path, written), LISTED), INSTANCE)

    assert rendering.violations == ()
    pod_spec = rendering.deployments[0].deployment["spec"]["template"]["spec"]
    assert at(path, pod_spec) == rendered


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "^(one|two)$"},
        {"anyOf": [{"const": "one"}, {"type": "string"}]},
        {"type": "string", "examples": ["one"], "default": "one"},
        {"not": {"enum": ["root"]}, "type": "string"},
    ],
)
def test_only_a_list_of_values_counts(schema: Any) -> None:
    (violation,) = compiled({"serviceAccountName": "$(parameters.TEXT)"}, {"TEXT": schema}).violations

    assert violation.type == "closed_values"


def test_the_bundles_pull_secrets_are_guarded_too() -> None:
    (violation,) = compiled({}, OPEN, image_pull_secrets=[{"name": "$(parameters.TEXT)"}]).violations

    assert (violation.type, violation.loc[-3:]) == ("closed_values", ("image_pull_secrets", 0, "name"))
