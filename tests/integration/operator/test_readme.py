"""The template and instance of the README, and the workers of docs/templates.md, do what is written."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.cluster.kube_api import KubeApi
from tests.cluster.processes import REPOSITORY
from tests.cluster.waiting import wait_for
from tests.examples.objects import ready

pytestmark = pytest.mark.usefixtures("operator")

README = (REPOSITORY / "README.md").read_text()
TEMPLATES = (REPOSITORY / "docs" / "templates.md").read_text()
MANIFEST, SHOWN = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
(WORKERS,) = re.findall(
    r"<!-- tested by: tests/integration/operator/test_readme\.py -->\n```yaml\n(.*?)```", TEMPLATES, re.DOTALL
)

(VLLM,) = re.findall(
    r"<!-- tested by: tests/integration/operator/test_readme\.py, .*?-->\n```console\n(.*?)```",
    README,
    re.DOTALL,
)


def test_template_and_instance_of_the_readme_become_what_it_shows(api: KubeApi) -> None:
    api.apply_all(MANIFEST)
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")
    expected = yaml.safe_load(SHOWN)
    live = api.get("Deployment", expected["metadata"]["name"])
    assert _part_of(expected, live) == expected


def test_wrong_parameter_of_the_readme_is_reported_in_its_words(api: KubeApi) -> None:
    api.apply_all(MANIFEST)
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    (name, value) = re.findall(r"&\\n +(\w+): (\w+)/' minilm.yaml", README)[0]
    api.patch("ModelInstance", "minilm", {"spec": {"model_creation_parameters": {name: value}}})
    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="InvalidParameters")
    fault, _, action = ready(obj)["message"].partition(". ")
    assert f"is invalid: {fault}\n" in README
    assert action.startswith("Action (user):")


def test_workers_of_the_guide_become_an_autoscaler(api: KubeApi) -> None:
    api.apply_all(MANIFEST)
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    api.patch(
        "ModelTemplate", "sentence-encoder", {"spec": {"vendor_configuration": yaml.safe_load(WORKERS)}}
    )
    wait_for(lambda: api.find("HorizontalPodAutoscaler", "minilm"))
    spec = api.get("HorizontalPodAutoscaler", "minilm")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 6)
    assert spec["metrics"][0]["pods"]["target"]["averageValue"] == "32"


def test_the_three_commands_with_which_vllm_is_behind_the_gateway(api: KubeApi) -> None:
    installation, application, wait = VLLM.splitlines()
    overlay = re.findall(r"apply -k (\S+)", installation)[0]
    assert (REPOSITORY / overlay / "kustomization.yaml").is_file()
    file = re.findall(r"apply -f (\S+)", application)[0]
    name, condition = re.findall(r"modelinstance/(\S+) --for=condition=(\S+)", wait)[0]
    template = next(yaml.safe_load_all((REPOSITORY / file).read_text()))
    try:
        api.apply_all((REPOSITORY / file).read_text())
        obj = api.wait_for_condition("ModelInstance", name, condition)
    finally:
        api.delete("ModelInstance", name)
        api.delete(template["kind"], template["metadata"]["name"])
    (entry,) = obj["status"]["deployments"]
    assert entry["serving"]["model"] == name, "the name by which the README calls it"
    assert f'"model": "{name}"' in README
    assert "CHAT_COMPLETIONS" in str(entry["serving"]["apis"])


def _part_of(pattern: Any, value: Any) -> Any:
    """Give those fields of a value that the pattern has."""
    if isinstance(pattern, dict) and isinstance(value, dict):
        return {key: _part_of(part, value.get(key)) for key, part in pattern.items()}
    if isinstance(pattern, list) and isinstance(value, list) and len(pattern) == len(value):
        return [_part_of(part, item) for part, item in zip(pattern, value, strict=True)]
    return value
