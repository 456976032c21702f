"""Kubeconfig files for one cluster and one token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def token_kubeconfig(cluster: Mapping[str, Any], token: str) -> dict[str, Any]:
    """Give a kubeconfig whose only context speaks to `cluster` with `token`.

    Parameters
    ----------
    cluster
        The ``cluster`` part of a kubeconfig: ``server`` and its certificate authority.
    token
        A bearer token.
    """
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "cluster", "cluster": dict(cluster)}],
        "users": [{"name": "user", "user": {"token": token}}],
        "contexts": [{"name": "context", "context": {"cluster": "cluster", "user": "user"}}],
        "current-context": "context",
    }


def write_kubeconfig(path: Path, kubeconfig: Mapping[str, Any]) -> None:
    """Write `kubeconfig` to `path`, for its owner's eyes only and never half."""
    partial = path.with_name(f"{path.name}.partial")
    partial.touch(mode=0o600)
    partial.write_text(yaml.safe_dump(dict(kubeconfig), sort_keys=False))
    partial.rename(path)
