"""A walk-through of a document as one session: commands of a shell, then Python."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.cluster.processes import REPOSITORY
from tests.docs.blocks import Block, blocks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.cluster.kubectl import Kubectl

REST_PAGE = REPOSITORY / "docs" / "rest-api.md"
THE_WALK = "tested by: tests/integration/gateway/rest/test_document.py, tests/e2e/test_rest.py"
_SECONDS = 240


def rest_walk() -> list[Block]:
    """Return the blocks of the walk-through of the REST API, in order."""
    found = [each for each in blocks(REST_PAGE.read_text(encoding="utf-8")) if each.mark == THE_WALK]
    first, *others = [each.language for each in found]
    assert first == "console"
    assert set(others) == {"python"}
    return found


def run_walk(
    kubectl: Kubectl, namespace: str, url: str, replaced: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run the walk-through of the REST API against a gateway, and return what it wrote.

    Parameters
    ----------
    kubectl
        The administrator's.
    namespace
        Namespace in place of ``default``.
    url
        Address of the gateway in place of that of the document.
    replaced
        More texts of the document, and what stands for them.
    """
    texts = {
        "http://127.0.0.1:8080": url,
        "=default:": f"={namespace}:",
        '"default"': f'"{namespace}"',
        "$(kubectl ": f"$(kubectl --namespace {namespace} ",
        "\nkubectl ": f"\nkubectl --namespace {namespace} ",
        **replaced,
    }
    commands, *programs = [f"\n{block.text}" for block in rest_walk()]
    script = f"{commands}\nexec {sys.executable} - <<'END'\n{''.join(programs)}\nEND\n"
    for old, new in texts.items():
        assert old in script, old
        script = script.replace(old, new)
    path = f"{kubectl.binary.parent}:{kubectl.environment['PATH']}"
    return subprocess.run(
        ["bash", "-euc", script],
        env=kubectl.environment | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
