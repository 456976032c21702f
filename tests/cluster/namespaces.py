"""Namespaces that tests have to themselves."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from tests.cluster.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.kube_api import KubeApi


def fresh_namespace(api: KubeApi, prefix: str) -> Iterator[str]:
    """Create a namespace whose name begins with `prefix`, yield its name, and ask for its deletion."""
    name = f"{prefix}-{secrets.token_hex(4)}"
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    inside = api.in_namespace(name)
    # Without it pods are refused.
    wait_for(
        lambda: inside.find("ServiceAccount", "default"), message=f"the default ServiceAccount of {name}"
    )
    yield name
    api.delete("Namespace", name)
