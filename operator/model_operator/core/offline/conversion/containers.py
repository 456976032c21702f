"""The container of the model: which one it is, its image, command and variables."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from model_operator.core.offline.conversion.notes import ConversionError, Draft, Topic
from model_operator.core.offline.conversion.workloads import items, mapping
from model_operator.core.templates.layering import MODEL_CONTAINER
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.values.words import listed

_ENV_NAME: Final = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]{0,252}", re.ASCII)
_MAX_VARIABLES: Final = 256
_HUB: Final = "docker.io"
DEFAULT_CONTAINER: Final = "kubectl.kubernetes.io/default-container"


def choose_container(
    pod: Mapping[str, Any], choice: str | None, targets: list[Any], settings: RenderSettings
) -> tuple[dict[str, Any], str]:
    """Return the container that serves the model, and why it is that one; empty if it is the only one.

    Parameters
    ----------
    pod
        A pod template.
    choice
        Its name; by default the one named ``model``, that with a GPU, that with a port of the Services, or
        the first.
    targets
        Numbers and names of the ports to which the Services lead.
    settings
        The cluster's conventions.

    Raises
    ------
    ConversionError
        No container has the chosen name, or another one has the name ``model``.
    """
    containers: list[dict[str, Any]] = [each for each in pod["spec"]["containers"] if isinstance(each, dict)]
    names = [str(each.get("name") or "") for each in containers]
    if choice is not None:
        if choice not in names:
            raise ConversionError(f"no container is named {choice}; there are {listed(names)}")
        found, reason = containers[names.index(choice)], ""
    else:
        found, reason = _guess(containers, names, targets, settings)
    if found.get("name") != MODEL_CONTAINER and MODEL_CONTAINER in names:
        raise ConversionError(
            f"container {found.get('name')} serves the model and must get the name {MODEL_CONTAINER}, which "
            "another container has; rename that one in the manifest"
        )
    return found, reason


def _guess(
    containers: list[dict[str, Any]], names: list[str], targets: list[Any], settings: RenderSettings
) -> tuple[dict[str, Any], str]:
    if MODEL_CONTAINER in names:
        return containers[names.index(MODEL_CONTAINER)], ""
    if len(containers) == 1:
        return containers[0], ""
    for each in containers:
        limits = mapping(mapping(each.get("resources")).get("limits"))
        if any(settings.is_gpu_resource(name) for name in limits):
            return each, "it is the one with a GPU"
    for each in containers:
        ports = items(each.get("ports"))
        if any(
            port.get(key) in targets for port in ports for key in ("name", "containerPort") if port.get(key)
        ):
            return each, "the Service leads to its port"
    return containers[0], "it is the first one"


def rename_container(pod: dict[str, Any], container: dict[str, Any]) -> None:
    """Give the container the name that the operator expects, also where other fields refer to it.

    Parameters
    ----------
    pod
        A pod template; changed in place.
    container
        One of its containers.
    """
    old = container.get("name")
    container["name"] = MODEL_CONTAINER
    annotations = mapping(pod.get("metadata")).get("annotations")
    if isinstance(annotations, dict) and annotations.get(DEFAULT_CONTAINER) == old:
        annotations[DEFAULT_CONTAINER] = MODEL_CONTAINER
    _rename(pod["spec"], old)


def _rename(value: Any, old: Any) -> None:
    if isinstance(value, dict):
        reference = value.get("resourceFieldRef")
        if isinstance(reference, dict) and reference.get("containerName") == old:
            reference["containerName"] = MODEL_CONTAINER
        for item in value.values():
            _rename(item, old)
    elif isinstance(value, list):
        for item in value:
            _rename(item, old)


def image_parts(image: str) -> dict[str, str]:
    """Return ``registry``, ``image``, ``tag`` and ``digest`` of a container's image, as a node reads it.

    Parameters
    ----------
    image
        Such as ``vllm/vllm-openai:v0.8.5``, which is on ``docker.io``.
    """
    name, _, digest = image.partition("@")
    start = name.rfind("/") + 1
    repository, _, tag = name[start:].partition(":")
    path = name[:start].rstrip("/")
    first = path.partition("/")[0]
    if not path:
        path = f"{_HUB}/library"
    elif "." not in first and ":" not in first and first != "localhost":
        path = f"{_HUB}/{path}"
    parts = {"registry": path, "image": repository}
    if tag or not digest:
        parts["tag"] = tag or "latest"
    return parts | ({"digest": digest} if digest else {})


def take_bundle(draft: Draft) -> None:
    """Move image, command, arguments and literal variables of the container to ``bundle_config``."""
    container, bundle = draft.container, draft.bundle
    image = str(container.pop("image", "") or "")
    if not image:
        raise ConversionError(f"container {MODEL_CONTAINER}: image: required field is missing")
    bundle.update(image_parts(image))
    if bundle.get("tag") == "latest" and "digest" not in bundle:
        draft.note(
            Topic.ASSUMED,
            "tag latest: workers of one model may run different versions; set tag or digest of bundle_config",
        )
    for field in ("command", "args"):
        if field in container:
            bundle[field] = container.pop(field)
    if "imagePullPolicy" in container:
        bundle["image_pull_policy"] = container.pop("imagePullPolicy")
    secrets = draft.pod_spec.get("imagePullSecrets")
    if secrets:
        bundle["image_pull_secrets"] = draft.pod_spec.pop("imagePullSecrets")
    _take_variables(draft)


def _take_variables(draft: Draft) -> None:
    variables = items(draft.container.pop("env", None))
    last = {str(each.get("name")): each for each in variables}
    if len(last) < len(variables):
        draft.note(Topic.NO_PLACE, "variables that are repeated: the last one of a name counts")
    literal: dict[str, str] = {}
    kept = []
    for name, variable in last.items():
        value = variable.get("value", "")
        is_literal = "valueFrom" not in variable and _ENV_NAME.fullmatch(name) is not None
        if not is_literal or len(literal) >= _MAX_VARIABLES:
            kept.append(variable)
            continue
        if not isinstance(value, str):
            draft.note(Topic.ASSUMED, f"the variable {name} is a text; Kubernetes requires quotes")
        literal[name] = value if isinstance(value, str) else json.dumps(value)
    if literal:
        draft.bundle["env"] = literal
    if kept:
        draft.container["env"] = kept
