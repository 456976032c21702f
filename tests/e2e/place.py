"""The cluster of the end-to-end tests: one with a real node that is made here, or one that the user names.

========================================  ===============================================================
``MODEL_OPERATOR_TEST_CLUSTER=existing``  use the cluster of ``KUBECONFIG``; it must have no model-operator
``MODEL_OPERATOR_TEST_IMAGE``             the operator's image there
``MODEL_OPERATOR_TEST_MODEL_IMAGE``       the image of ``examples/embedding-server`` there
``MODEL_OPERATOR_TEST_CHAT_IMAGE``        the image of ``examples/chat-server`` there
========================================  ===============================================================

Without the latter three the images are as ``make kind-load`` names them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hack.build.operator_image import OPERATOR_IMAGE, ensure_operator_image
from hack.build.toolset import Tools, cached_tools
from tests.cluster import embedding
from tests.cluster.chat import CHAT
from tests.cluster.cluster import Cluster, existing_cluster
from tests.cluster.control_plane import ControlPlane
from tests.cluster.nodes.real import import_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True)
class Images:
    """The images that the cluster can run.

    Attributes
    ----------
    operator
        The operator's.
    model
        The embedding server's. Clients and stubs run in it, too: it has Python.
    chat
        The chat server's.
    """

    operator: str
    model: str
    chat: str


def images(environ: Mapping[str, str] = os.environ) -> Images:
    """Give the images of the cluster that the environment names."""
    return Images(
        environ.get("MODEL_OPERATOR_TEST_IMAGE") or OPERATOR_IMAGE,
        environ.get("MODEL_OPERATOR_TEST_MODEL_IMAGE") or embedding.SERVER.image,
        environ.get("MODEL_OPERATOR_TEST_CHAT_IMAGE") or CHAT.image,
    )


@contextmanager
def named_cluster(kubeconfig: Path) -> Iterator[Cluster]:
    """Give the user's cluster, which has the images or can pull them."""
    with tempfile.TemporaryDirectory(prefix="model-operator-e2e-") as directory:
        yield Cluster(kubeconfig, Path(directory), _kubectl())


@contextmanager
def real_node() -> Iterator[ControlPlane]:
    """Give a cluster with a real node that has the images, and nothing of ours yet, CRDs included.

    Raises
    ------
    ToolsError
        When this machine can run none, or something it takes cannot be had.
    """
    archives = [ensure_operator_image(), embedding.SERVER.ensure_image(), CHAT.ensure_image()]
    with ControlPlane.start(real_node=True, crds=False, audit_reads=True) as cluster:
        for archive in archives:
            import_image(cluster.directory, archive)
        yield cluster


def named() -> Path | None:
    """Give the kubeconfig of the cluster that the user names, if there is one."""
    return existing_cluster()


def _kubectl() -> Tools:
    """Give the user's own kubectl, so that nothing has to be built for a cluster that is there."""
    found = shutil.which("kubectl")
    tools = Tools(Path(found).parent) if found else cached_tools()
    if tools is None:
        raise LookupError("expected the program kubectl, found none on PATH.")
    return tools
