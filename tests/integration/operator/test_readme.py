"""The README's template and instance do what the README says."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.cluster.kube_api import KubeApi
from tests.cluster.processes import REPOSITORY
from tests.integration.operator.examples import ready

pytestmark = pytest.mark.usefixtures("operator")

README = (REPOSITORY / "README.md").read_text()


def test_template_and_instance_of_the_readme_become_what_it_shows(api: KubeApi) -> None:
    manifest, shown = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    api.apply_all(manifest)
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")
    expected = yaml.safe_load(shown)
    live = api.get("Deployment", expected["metadata"]["name"])
    assert _part_of(expected, live) == expected


def test_wrong_parameter_of_the_readme_is_reported_in_its_words(api: KubeApi) -> None:
    manifest, _ = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    api.apply_all(manifest)
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    (patch,) = re.findall(r"--type=merge -p '(.*?)'", README)
    api.patch("ModelInstance", "minilm", yaml.safe_load(patch))
    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="InvalidParameters")
    assert f"\n{ready(obj)['message']}\n" in README


def _part_of(pattern: Any, value: Any) -> Any:
    """Give those fields of a value that the pattern has."""
    if isinstance(pattern, dict) and isinstance(value, dict):
        return {key: _part_of(part, value.get(key)) for key, part in pattern.items()}
    if isinstance(pattern, list) and isinstance(value, list) and len(pattern) == len(value):
        return [_part_of(part, item) for part, item in zip(pattern, value, strict=True)]
    return value
