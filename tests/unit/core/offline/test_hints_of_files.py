"""What ``validate`` says of newcomers' mistakes: the right form, the right place, the likely name."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from hack.kubernetes_schemas import packaged
from model_operator.api import API_VERSION
from model_operator.core.offline.checking import Checker
from model_operator.core.offline.collection import collect
from model_operator.core.offline.documents import read_documents
from model_operator.core.offline.kubernetes_schemas import KubernetesSchemas
from model_operator.core.templates.render_settings import RenderSettings

SCHEMAS = KubernetesSchemas(packaged())
BUNDLE = {"registry": "docker.io/vllm", "image": "vllm-openai", "tag": "v1"}
ENDPOINT = "spec.vendor_configuration.endpoint_config"
PLACEHOLDER = "a placeholder of Helm, {{ … }}, is not replaced: check the output of helm template"


def found(text: str) -> list[str]:
    checker = Checker(collect(read_documents(text, "a.yaml")), RenderSettings(), SCHEMAS)
    return [str(finding).removeprefix("a.yaml:") for finding in checker.findings()]


def template(bundle: dict[str, Any] | None = None, endpoint: Any = None, **spec: Any) -> dict[str, Any]:
    configuration = {"bundle_config": BUNDLE | (bundle or {}), "endpoint_config": endpoint or {}}
    return {
        "apiVersion": API_VERSION,
        "kind": "ModelTemplate",
        "metadata": {"name": "t", "namespace": "team-a"},
        "spec": {"model_type": "CHAT_COMPLETION", "vendor_configuration": configuration, **spec},
    }


def instance(name: str = "i", namespace: str = "team-a", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": "ModelInstance",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"model_template_id": "t", **spec},
    }


SHARE = "or a percentage from 1% to 100%, such as 10%; to stop the roll-out, set rollout.paused"
FORMS = [
    (template(rollout={"soak_seconds": "30m"}), "got a string; write the number of seconds, 1800"),
    (template(rollout={"steps": [{"name": "a", "soak_seconds": "1h"}]}), "write the number of seconds, 3600"),
    (template(rollout={"soak_seconds": "60"}), "must be an integer, got a string; remove the quotes"),
    (template(rollout={"max_unavailable": "10"}), f"{SHARE}; remove the quotes for a number of"),
    (template(rollout={"max_unavailable": "10 %"}), "set rollout.paused; remove the space"),
    (template(rollout={"max_unavailable": 0.1}), "got a number; write a percentage, such as 10%"),
    (template({"port": "8000"}), "bundle_config.port: must be an integer, got a string; remove the quotes"),
    (template({"tag": 1.5}), "bundle_config.tag: must be a string, got a number; put it in quotes"),
    (template({"env": {"A": 1}}), "bundle_config.env.A: must be a string, got an integer; put it in quotes"),
    (template({"env": [{"name": "A", "value": "1"}]}), ("bundle_config.env: must be an object, got a list; "
     "write a mapping of names to values, such as {NAME: value}")),
    (template({"env": {"A": {"valueFrom": {}}}}), ("got an object; a variable with valueFrom goes into "
     "pod_template.spec.containers, to env of the container named model")),
    (template({"command": "vllm serve"}), "command: must be a list, got a string; write a list, such as"),
    (template({"image_pull_secrets": ["a"]}), "[0]: must be an object, got a string; write an object"),
    (template({"image_pull_policy": "always"}), "or 'Never', got another string; did you mean Always?"),
    (template({"image": "vllm-openai:v1"}), "fields of their own; move what follows ':' to tag"),
    (template({"image": "vllm-openai@sha256:0"}), "fields of their own; move what follows '@' to digest"),
    (template({"image": "VLLM"}), "; it has an upper-case letter"),
    (template(endpoint={"cpus": 0.5}), 'got a number; write a fraction in quotes, such as "500m"'),
    (template(endpoint={"gpus": 0.5}), "got a number; write a whole number"),
    (template(endpoint={"memory": "16GB"}), "; write Gi or G for gigabytes, Mi or M"),
    (template(endpoint={"memory": "16GiB"}), "; write the unit without B, as in 16Gi"),
    (template(endpoint={"memory": "16gi"}), "; write the unit in its own case, as in 16Gi and 500M"),
    (template(endpoint={"memory": "16 Gi"}), "; remove the space"),
    (template(endpoint_type="stream"), "did you mean STREAMING?"),
    (template(model_creation_parameters_schema={"model": {"type": "string"}}),
     "model: unknown keyword; if it is a parameter, declare it in properties"),
    (template(model_creation_parameters_schema={"properties": {"A": {"type": "int"}}}), "mean integer?"),
    (template(pod_template={"spec": {"containers": [{"name": "model", "env": {"A": "1"}}]}}),
     "env: must be a list, got an object; write a list of objects, such as [{name: NAME, value: VALUE}]"),
    (template(pod_template={"spec": {"replicas": 1, "selector": {}, "template": {"spec": {}}}}),
     "spec.template: is the pod template of a Deployment or a StatefulSet; move its metadata and spec to"),
    (template(pod_template={"spec": {"terminationGracePeriodSeconds": "60"}}), "; remove the quotes"),
    (instance(replicas="2"), "spec.replicas: must be an integer, got a string; remove the quotes"),
    (instance(model_type="chat"), "; did you mean CHAT_COMPLETION?"),
]  # fmt: skip


@pytest.mark.parametrize(("obj", "message"), FORMS, ids=lambda each: str(each)[-40:])
def test_right_form(obj: dict[str, Any], message: str) -> None:
    assert any(message in text for text in found(yaml.safe_dump(obj))), found(yaml.safe_dump(obj))


def test_the_registry_of_docker_hub() -> None:
    obj = template()
    del obj["spec"]["vendor_configuration"]["bundle_config"]["registry"]

    (text,) = found(yaml.safe_dump(obj))

    assert "registry: required field is missing; for an image of Docker Hub write docker.io, or" in text


PLACES = [
    (template(image="a"), "spec.image", "did you mean spec.vendor_configuration.bundle_config.image?"),
    (template(env={}), "spec.env", "did you mean spec.vendor_configuration.bundle_config.env?"),
    (template({"gpus": 1}), "bundle_config.gpus", f"did you mean {ENDPOINT}.gpus?"),
    (template(endpoint={"port": 1}), "port", "did you mean spec.vendor_configuration.bundle_config.port?"),
    (template(replicas=2), "spec.replicas", f"set min_workers and max_workers in {ENDPOINT}, or replicas in"),
    (template({"resources": {}}), "resources", f"set cpus, memory, storage and gpus in {ENDPOINT}"),
    (template({"imagePullPolicy": "Never"}), "imagePullPolicy", "did you mean image_pull_policy?"),
    (template({"healthcheckRoute": "/"}), "healthcheckRoute", "did you mean healthcheck_route?"),
    (template(volumes=[]), "spec.volumes", "did you mean spec.pod_template.spec.volumes?"),
    (template({"nodeSelector": {}}), "nodeSelector", "did you mean spec.pod_template.spec.nodeSelector?"),
    (template(readinessProbe={}), "readinessProbe", "it belongs to the container named model in"),
    (
        template(pod_template={"containers": []}),
        "containers",
        "did you mean spec.pod_template.spec.containers?",
    ),
    (
        template(pod_template={"kind": "Deployment"}),
        "kind",
        "pod_template takes only the metadata and the spec",
    ),
    (
        template(pod_template={"template": {}}),
        "template",
        "pod_template takes only the metadata and the spec",
    ),
    (template(pod_template={"spec": {"volumeMounts": []}}), "volumeMounts", "it belongs to a container"),
    (template(parameters={}), "spec.parameters", "declare them in spec.model_creation_parameters_schema"),
    (template(suspend=True), "spec.suspend", "did you mean spec.suspend of a ModelInstance?"),
    (instance(parameters={}), "spec.parameters", "set them in spec.model_creation_parameters"),
    (instance(template="t"), "spec.template", "set the name of the template in spec.model_template_id"),
    (
        instance(image="a"),
        "spec.image",
        "did you mean spec.vendor_configuration.bundle_config.image of a Mod",
    ),
    (instance(modelTemplateId="t"), "spec.modelTemplateId", "did you mean model_template_id?"),
    (instance(descripton="a"), "spec.descripton", "did you mean description?"),
]


@pytest.mark.parametrize(("obj", "path", "place"), PLACES, ids=lambda each: str(each)[:40])
def test_right_place(obj: dict[str, Any], path: str, place: str) -> None:
    texts = found(yaml.safe_dump(obj))

    assert any(f"{path}: unknown field; {place}" in text for text in texts), texts


NAMES = [
    ("llama-3.3-70b", "; it has a '.'"),
    ("my_model", "; it has an underscore"),
    ("Llama", "; it has an upper-case letter"),
    ("a" * 41, "; it has more than 40 characters"),
    ("7b", "; it starts with a digit"),
    ("-a", "; it starts with '-'"),
    ("a-", "; it ends with '-'"),
    ("a b", "; it has a space"),
    ("modèle", "; it has a character that is none of these"),
]


@pytest.mark.parametrize(("name", "rule"), NAMES)
def test_name_says_which_rule_is_broken(name: str, rule: str) -> None:
    texts = found(yaml.safe_dump(instance(name)))

    assert [text.endswith(rule) for text in texts] == [True]


TEMPLATES = [
    (
        instance(namespace="team-b"),
        "; there is a ModelTemplate of that name in namespace team-a; an instance ",
    ),
    (instance(model_template_id="tt"), "; did you mean t?"),
    (
        instance(model_template_kind="ClusterModelTemplate"),
        "; there is a ModelTemplate of that name: change ",
    ),
    (instance(model_template_id="other"), "; the instance was not checked against it"),
]


@pytest.mark.parametrize(("obj", "hint"), TEMPLATES, ids=lambda each: str(each)[-30:])
def test_likely_template(obj: dict[str, Any], hint: str) -> None:
    (text,) = found(yaml.safe_dump_all([template(), obj]))

    assert hint in text
    assert ("did you mean" in text) == ("did you mean" in hint)


def test_a_similar_template_of_another_namespace() -> None:
    (text,) = found(yaml.safe_dump_all([template(), instance(namespace="other", model_template_id="tt")]))

    assert text.endswith("; did you mean t, which is in namespace team-a?")


def test_similar_templates_are_searched_for_few_instances() -> None:
    others = [instance(f"i{number}", model_template_id="tt") for number in range(30)]

    texts = found(yaml.safe_dump_all([template(), *others]))

    assert (len(texts), sum("did you mean t?" in text for text in texts)) == (30, 20)


HEAD = f"apiVersion: {API_VERSION}\nkind: ModelInstance\nmetadata: {{name: a}}\n"
YAML = [
    (f"{HEAD}spec:\n\tmodel_template_id: t\n", "5:1: must be YAML: a tab cannot indent a line, got one; use"),
    (
        f"{HEAD}spec:\n  a: 1\n  \tb: 2\n",
        "6:3: must be YAML: a tab cannot indent a line, got one; use spaces",
    ),
    (f"{HEAD}spec:\n  replicas: {{{{ .Values.n }}}}\n", f"5:14: must be YAML: {PLACEHOLDER}"),
    (f"{HEAD}spec: {{replicas: {{{{ .Values.n | int }}}}}}\n", f": must be YAML: {PLACEHOLDER}"),
    (f"{{{{- if .Values.a }}}}\n{HEAD}{{{{- end }}}}\n", f": must be YAML: {PLACEHOLDER}"),
    (f"{HEAD}spec:\n  {{{{- toYaml .Values.s | nindent 2 }}}}\n", f": must be YAML: {PLACEHOLDER}"),
    (f"{HEAD}{{% if a %}}\nspec: {{}}\n", "must be YAML: a statement of Jinja, {% … %}, is not replaced"),
    (f"{HEAD}spec: {{replicas: ${{N}}}}\n", "must be YAML: a placeholder ${…} is not replaced"),
    (f"{HEAD}spec:\n  replicas: ${{N:=2}}\n", "got a string; a placeholder ${…} is not replaced"),
    (
        f"{HEAD}spec:\n  model_template_id: t\n  display_name: '{{{{ .Values.t }}}}'\n",
        f"is used as it is written; {PLACEHOLDER}",
    ),
]


@pytest.mark.parametrize(("text", "message"), YAML, ids=lambda each: each[-40:])
def test_tabs_and_placeholders_are_named(text: str, message: str) -> None:
    texts = found(text)

    assert any(message in each for each in texts), texts


@pytest.mark.parametrize(
    "argument", ["{{ messages[0].content }}", "{% for m in messages %}", "echo ${HOME}", "a\tb", "{{}}"]
)
def test_texts_that_only_look_like_placeholders(argument: str) -> None:
    assert found(yaml.safe_dump(template({"args": [argument]}))) == []
