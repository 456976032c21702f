"""What a person sees: the output of kubectl, word for word, for the main cases in kubectl/."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.fixtures.people import FLUX, Writer

if TYPE_CHECKING:
    from tests.cluster.kubectl import Kubectl
    from tests.fixtures.admission import Admission

FOLDER = Path(__file__).parent / "kubectl"
USERS = {"person": "alice", "flux": FLUX}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_output(admission: Admission, kubectl: Kubectl, path: Path) -> None:
    case: dict[str, Any] = yaml.safe_load(path.read_text())
    api = {"plain": admission.api, "warn": admission.warn}[case.get("namespace", "plain")]
    for obj in yaml.safe_load_all(case.get("before", "")):
        if obj is not None:
            api.create(obj)
            api.wait_for_condition(obj["kind"], obj["metadata"]["name"], "Ready")
    writer = Writer(kubectl, api.namespace, USERS[case.get("user", "person")])

    said = writer.says(
        *shlex.split(case["command"])[1:], objects=list(yaml.safe_load_all(case.get("input", "")))
    )

    # Older kubectls do not name the namespace.
    said = re.sub(r"deleted$", "deleted from team-a namespace", said, flags=re.MULTILINE)
    assert said.replace(api.namespace, "team-a") == case["output"]
