"""Why images that pods take, those of volumes above all, are not pulled or mounted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from model_operator.api import Actor
from model_operator.core.diagnosis.cause import Diagnosis, failure, with_cause
from model_operator.core.diagnosis.image_messages import (
    ImageMountFault,
    image_mount,
    missing_pull_secrets,
    names_image,
)
from model_operator.core.diagnosis.kubelet_messages import normalized_message
from model_operator.core.diagnosis.pod_events import Event, with_reason
from model_operator.core.reasons.reasons import Advice, Reason

_FIX_REFERENCE = Advice(
    Actor.TEMPLATE_OWNER,
    "fix image.reference of the volume in pod_template, or image_pull_secrets; retried automatically.",
)
_CREATE_SECRET = Advice(
    Actor.TEMPLATE_OWNER,
    "create the Secret in the instance's namespace, or fix image_pull_secrets; retried automatically.",
)
_PULL_IT = Advice(
    Actor.TEMPLATE_OWNER,
    "remove pullPolicy Never of the volume from pod_template, or have the image loaded into the nodes; "
    "retried automatically.",
)
_FIX_FOLDER = Advice(
    Actor.TEMPLATE_OWNER,
    "fix subPath of the mount in pod_template, or take an image with that folder; retried automatically.",
)
_NEWER_RUNTIME = Advice(
    Actor.CLUSTER,
    "upgrade the container runtime of the node: image volumes need containerd 2.1 or CRI-O 1.31; retried "
    "automatically.",
)
_NEWER_KUBELET = Advice(
    Actor.CLUSTER,
    "upgrade the kubelet of the node to 1.35, or enable its feature gate ImageVolume; retried automatically.",
)
_CHECK_RUNTIME = Advice(
    Actor.CLUSTER, "check the node's container runtime and its snapshotter; retried automatically."
)

Object = Mapping[str, Any]


class _Mount(NamedTuple):
    """A mount of an image volume: the volume, its image, and the folder of the image; empty for all of it."""

    volume: str
    reference: str
    folder: str

    def __str__(self) -> str:
        return f'volume "{self.volume}" (image "{self.reference}")'


def unpulled_volume(pod: Object, container: Object, said: str) -> str | None:
    """Return the words for the image volume that a message about a pull names; None when it names none.

    Parameters
    ----------
    pod
        The pod.
    container
        The entry of its spec that waits for the pull.
    said
        What the kubelet says.
    """
    for mount in _mounts(pod, container):
        if names_image(said, mount.reference):
            return f'image "{mount.reference}" of volume "{mount.volume}"'
    return None


def lacking_pull_secrets(pod: Object, events: Sequence[Event] | None) -> list[str] | None:
    """Return the Secrets of ``imagePullSecrets`` that do not exist; None when the events were not read."""
    named = {each.get("name") for each in pod["spec"].get("imagePullSecrets") or []}
    if not named:
        return []
    if events is None:
        return None
    missed = with_reason(events, "FailedToRetrieveImagePullSecret")
    found = missing_pull_secrets(missed[-1].get("message") or "") if missed else []
    return [name for name in found if name in named]


def with_secrets(text: str, lacking: Sequence[str]) -> str:
    """Return a text followed by which pull Secrets do not exist, if any."""
    if not lacking:
        return text
    names = ", ".join(f'"{name}"' for name in lacking)
    is_one = len(lacking) == 1
    noun, verb = ("Secret", "does") if is_one else ("Secrets", "do")
    return f"{text.rstrip(' .')}. The pull {noun} {names} {verb} not exist"


def pull_advice(waiting: str, lacking: Sequence[str], *, is_volume: bool) -> Advice | None:
    """Return what to do about an image that is not pulled, where that differs from the reason's advice.

    Parameters
    ----------
    waiting
        What the container waits for, in the kubelet's word.
    lacking
        The pull Secrets that do not exist.
    is_volume
        Whether it is the image of a volume.
    """
    if is_volume and waiting == "ErrImageNeverPull":
        return _PULL_IT
    if lacking:
        return _CREATE_SECRET
    return _FIX_REFERENCE if is_volume else None


def unmounted_image(pod: Object, container: Object, said: str) -> Diagnosis | None:
    """Return why the runtime mounts an image volume of a container not; None when that is not the cause.

    Parameters
    ----------
    pod
        The pod.
    container
        The entry of its spec that cannot be created.
    said
        What the kubelet says of that.
    """
    mounts = list(_mounts(pod, container))
    found = image_mount(said) if mounts else None
    if found is None:
        return None
    shown = " and ".join(map(str, mounts))
    if found.fault is ImageMountFault.UNKNOWN:
        text = f"{shown} cannot be mounted: the container runtime of the node does not know image volumes"
        return failure(Reason.VolumeNotReady, text, _NEWER_RUNTIME, is_permanent=True)
    if found.fault is ImageMountFault.NO_FOLDER:
        mount = next((each for each in mounts if each.folder == found.folder), mounts[0])
        text = f'{mount} cannot be mounted: the image has no folder "{found.folder}"'
        return failure(Reason.VolumeNotReady, text, _FIX_FOLDER, is_permanent=True)
    text = with_cause(f"{shown} cannot be mounted", normalized_message(found.said, pod))
    return failure(Reason.VolumeNotReady, text, _CHECK_RUNTIME)


def unknown_to_kubelet(pod: Object, volume: str | None) -> Diagnosis | None:
    """Return that the kubelet does not know image volumes, if this volume of a pod is one; else None."""
    reference = _images(pod).get(volume or "")
    if reference is None:
        return None
    text = f"{_Mount(str(volume), reference, '')} cannot be mounted: the kubelet does not know image volumes"
    return failure(Reason.VolumeNotReady, text, _NEWER_KUBELET, is_permanent=True)


def _mounts(pod: Object, container: Object) -> Iterator[_Mount]:
    """Yield the mounts of image volumes of a container."""
    images = _images(pod)
    for mount in container.get("volumeMounts") or []:
        reference = images.get(str(mount.get("name")))
        if reference is not None:
            yield _Mount(str(mount["name"]), reference, str(mount.get("subPath") or ""))


def _images(pod: Object) -> dict[str, str]:
    """Return the references of the image volumes of a pod by their names."""
    return {
        str(volume["name"]): str(volume["image"]["reference"])
        for volume in pod["spec"].get("volumes") or []
        if (volume.get("image") or {}).get("reference")
    }
