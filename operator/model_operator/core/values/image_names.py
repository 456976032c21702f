"""Names of container images in the forms in which they are written."""

from __future__ import annotations


def familiar_name(image: str) -> str:
    """Return an image's name as Docker shortens it: without its hub and the folder of official images."""
    for prefix in ("docker.io/", "index.docker.io/", "registry-1.docker.io/"):
        image = image.removeprefix(prefix)
    return image.removeprefix("library/")
