"""The README's template and instance do what the README says."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.cluster.kube_api import KubeApi
from tests.cluster.processes import REPOSITORY
from tests.cluster.waiting import wait_for
from tests.integration.operator.examples import ready

pytestmark = pytest.mark.usefixtures("operator")

README = (REPOSITORY / "README.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)


def test_template_and_instance_of_the_readme_become_what_it_shows(api: KubeApi) -> None:
    manifest, shown, _ = BLOCKS
    api.apply_all(manifest)
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")
    expected = yaml.safe_load(shown)
    live = api.get("Deployment", expected["metadata"]["name"])
    assert _part_of(expected, live) == expected


def test_wrong_parameter_of_the_readme_is_reported_in_its_words(api: KubeApi) -> None:
    manifest, *_ = BLOCKS
    api.apply_all(manifest)
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    (patch,) = re.findall(r"--type=merge -p '(.*?)'", README)
    api.patch("ModelInstance", "minilm", yaml.safe_load(patch))
    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="InvalidParameters")
    assert f"\n{ready(obj)['message']}\n" in README


def test_workers_of_the_readme_are_an_autoscaler_s_to_choose(api: KubeApi) -> None:
    manifest, _, workers = BLOCKS
    api.apply_all(manifest)
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    api.patch(
        "ModelTemplate", "sentence-encoder", {"spec": {"vendor_configuration": yaml.safe_load(workers)}}
    )
    wait_for(lambda: api.find("HorizontalPodAutoscaler", "minilm"))
    spec = api.get("HorizontalPodAutoscaler", "minilm")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 6)
    assert spec["metrics"][0]["pods"]["target"]["averageValue"] == "32"


def _part_of(pattern: Any, value: Any) -> Any:
    """Give those fields of a value that the pattern has."""
    if isinstance(pattern, dict) and isinstance(value, dict):
        return {key: _part_of(part, value.get(key)) for key, part in pattern.items()}
    if isinstance(pattern, list) and isinstance(value, list) and len(pattern) == len(value):
        return [_part_of(part, item) for part, item in zip(pattern, value, strict=True)]
    return value
