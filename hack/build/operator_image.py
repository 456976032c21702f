"""The operator's own image, built from the Dockerfile of this repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hack.build.cache import REPOSITORY
from hack.build.images import build_image
from model_operator import __version__

if TYPE_CHECKING:
    from pathlib import Path

OPERATOR_IMAGE = f"docker.io/library/model-operator:{__version__}"
"""As ``docker build -t model-operator:VERSION`` names it for containerd."""


def ensure_operator_image() -> Path:
    """Give the image's archive, building it from the Dockerfile first if the cache has none.

    Raises
    ------
    ToolsError
        When it cannot be built.
    """
    return build_image(REPOSITORY, OPERATOR_IMAGE)
