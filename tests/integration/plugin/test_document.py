"""Every example of docs/kubectl-plugin.md is run, by somebody who may view the namespace.

``UPDATE_GOLDEN=1 pytest tests/integration/plugin/test_document.py`` writes what they write now into it.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from tests.cluster.processes import REPOSITORY
from tests.cluster.waiting import wait_for
from tests.docs.console import blocks, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.kube_api import KubeApi
    from tests.integration.plugin.conftest import Person

DOCUMENT = REPOSITORY / "docs" / "kubectl-plugin.md"
AGE = re.compile(r"(?<= )(?:\d+m\d*s?|\d+s)\b *")
POD = re.compile(r"(Pod/minilm-)[a-z0-9]+-[a-z0-9]{5} *")


def settled(text: str, namespace: str) -> str:
    """Give a text as it would be in the namespace ``default``, without what differs from run to run."""
    text = re.sub(
        rf"{namespace}(?=[/.\s;]) *", lambda found: "default" + " " * bool(found[0].endswith(" ")), text
    )
    return re.sub(" +", " ", AGE.sub("9s ", POD.sub(r"\1x ", text))).replace(" \n", "\n")


@pytest.mark.usefixtures("operator")
def test_examples(api: KubeApi, viewer: Person, tmp_path: Path) -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    found = list(blocks(document))
    for block in found:
        if block.file:
            api.apply_all(block.text)
    wait_for(lambda: api.get("ModelTemplate", "encoder")["status"].get("instance_count") == 2)
    ran = 0
    for block in found:
        if not block.file:
            written = run(block, tmp_path, viewer.environment)
            ran += 1
            if os.environ.get("UPDATE_GOLDEN"):
                print(written)
            assert settled(written, api.namespace) == settled(block.text, api.namespace), written
    assert ran > 5
