"""What the operator's image says of itself and has in it."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from hack.build.images import base_of
from hack.build.operator_image import ensure_operator_image
from model_operator import __version__
from tests.cluster.control_plane import ControlPlane
from tests.cluster.processes import REPOSITORY

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster

LARGEST_MEGABYTES = 290
"""Unpacked, of which the base of Debian and Python is 137."""
NEEDLESS = ("/bin/pip", "/site-packages/pip/", "/site-packages/pytest", "/site-packages/kubernetes/aio/")


def test_it_is_small_and_not_root_and_labelled(cluster: Cluster) -> None:
    if not isinstance(cluster, ControlPlane):
        pytest.skip("needs the archive of an image that is built here")
    path = ensure_operator_image()
    with tarfile.open(path) as archive:
        (manifest,) = json.loads(_read(archive, "manifest.json"))
        config: dict[str, Any] = json.loads(_read(archive, manifest["Config"]))["config"]
        own = manifest["Layers"][-1]
        with tarfile.open(fileobj=archive.extractfile(own)) as layer:
            names = [f"/{member.name.removeprefix('./')}" for member in layer]

    assert path.stat().st_size < LARGEST_MEGABYTES * 1_000_000
    assert [
        name for name in names for needless in NEEDLESS if name.startswith("/app/") and needless in name
    ] == []
    assert "/app/bin/model-operator" in names
    assert config["User"] == "65532:65532"
    prefix = "org.opencontainers.image."
    labels = {
        key.removeprefix(prefix): value for key, value in config["Labels"].items() if key.startswith(prefix)
    }
    assert labels.keys() == {"title", "description", "version", "revision", "base.name", "base.digest"}
    assert labels["version"] == __version__
    assert labels["base.name"] == f"docker.io/library/{base_of(REPOSITORY)}"
    assert f"FROM {base_of(REPOSITORY)}@{labels['base.digest']}\n" in (REPOSITORY / "Dockerfile").read_text()


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()
