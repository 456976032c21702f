"""What kubelets and container runtimes say of images that are not pulled or mounted.

The texts are those of Kubernetes 1.30 to 1.36 with containerd 1.6 to 2.4 or CRI-O; as in `foreign_messages`,
an unknown text is `None` or `OTHER`, and is quoted as it is.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from model_operator.core.values.image_names import familiar_name

_QUOTED = re.compile(r'"([^"\s]+)"')
_REGISTRY_OR_SIGNATURE = re.compile(r"image pull failed for (\S+) because ")


def names_image(message: str, image: str) -> bool:
    """Return whether the kubelet's message about a pull names this image, in any of the forms of its name."""
    named = (*_QUOTED.findall(message), *_REGISTRY_OR_SIGNATURE.findall(message))
    return _untagged(image) in map(_untagged, named)


def _untagged(image: str) -> str:
    return familiar_name(image).removesuffix(":latest")


_MISSING_PULL_SECRETS = re.compile(r"^Unable to retrieve some image pull secrets \(([^)]*)\)")


def missing_pull_secrets(message: str) -> list[str]:
    """Return the Secrets that an Event ``FailedToRetrieveImagePullSecret`` misses, sorted."""
    found = _MISSING_PULL_SECRETS.match(message)
    return sorted(filter(None, found[1].split(", "))) if found else []


class ImageMountFault(Enum):
    """Why a container runtime does not mount the image of a volume."""

    UNKNOWN = "the runtime knows no image volumes: containerd before 2.1, CRI-O before 1.31"
    NO_FOLDER = "the image does not contain the folder that subPath names"
    OTHER = "anything else"


class ImageMount(NamedTuple):
    """A failure to mount the image of a volume.

    Attributes
    ----------
    fault
        Its kind.
    folder
        What subPath is, of `ImageMountFault.NO_FOLDER`, else empty.
    said
        What the runtime says of the cause.
    """

    fault: ImageMountFault
    folder: str
    said: str


# A volume that a runtime does not know has no path on the node. The third is what CRI-O says.
_WITHOUT_PATH = re.compile(r'failed to mkdir "": |failed to stat "": |mount\.HostPath is empty')
_IMAGE_MOUNT = re.compile(r"(failed to mount image volume: |ImageVolumeMountFailed: )+")
_NO_FOLDER = re.compile(
    r'failed to ensure image subpath "([^"]*)" in |sub path "([^"]*)" does not exist in |'
    r'only directory subpath is supported, subpath: "([^"]*)"'
)


def image_mount(message: str) -> ImageMount | None:
    """Return why an image volume is not mounted, from why its container cannot be created; else None.

    Parameters
    ----------
    message
        Of a container that has an image volume and waits for ``CreateContainerError``.
    """
    if _WITHOUT_PATH.search(message):
        return ImageMount(ImageMountFault.UNKNOWN, "", "")
    failed = _IMAGE_MOUNT.search(message)
    if failed is None:
        return None
    said = message[failed.end() :]
    folder = _NO_FOLDER.search(said)
    if folder is None:
        return ImageMount(ImageMountFault.OTHER, "", said)
    return ImageMount(ImageMountFault.NO_FOLDER, next(filter(None, folder.groups()), ""), said)


_NO_PLUGIN = re.compile(
    r'failed to get Plugin from volumeSpec for volume "([^"]*)" err=no volume plugin matched'
)


def without_plugin(message: str) -> str | None:
    """Return the volume of an Event ``FailedMount`` whose kind the kubelet does not know; else None."""
    found = _NO_PLUGIN.search(message)
    return found[1] if found else None
