"""Warnings about a valid template that most likely does something else than its owner intends."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from model_operator.api import ModelTemplateSpec
from model_operator.core.parameters.schema import ParameterSchema
from model_operator.core.templates.conventions import layer_default_resources, layer_shared_environment
from model_operator.core.templates.images import same_repository
from model_operator.core.templates.layering import (
    MODEL_CONTAINER,
    layered_pod,
    model_container,
    stated_model,
)
from model_operator.core.templates.overruled import overruled
from model_operator.core.templates.pod_paths import CONTAINER_LISTS, PROBES
from model_operator.core.templates.ports import PortConflictError, probe_ports, served_port
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.templates.scaling_advice import scaling_warnings
from model_operator.core.templates.scheme_advice import scheme_warnings
from model_operator.core.templates.variables import (
    Environment,
    Source,
    circle_warnings,
    runs_shell,
    variable_warnings,
)
from model_operator.core.templates.volume_advice import volume_warnings
from model_operator.core.values.violations import Loc, Violation
from model_operator.core.values.words import did_you_mean

_BUNDLE_LOC: Loc = ("spec", "vendor_configuration", "bundle_config")
_POD_LOC: Loc = ("spec", "pod_template")
_OPTION: Final = re.compile(r"--?[A-Za-z][\w-]{0,60}\s+\S", re.ASCII)

_DEFAULT_CONTAINER: Final = (
    "kubectl.kubernetes.io/default-container",
    "kubectl.kubernetes.io/default-logs-container",
)
"""Annotations with the name of the container that kubectl takes if none is given."""


def pod_advice(
    spec: ModelTemplateSpec,
    parameters: ParameterSchema,
    sources: Iterable[Source],
    settings: RenderSettings,
) -> Iterator[Violation]:
    """Yield the warnings about the pods of a template.

    Parameters
    ----------
    spec
        ``spec`` of a template whose ``pod_template`` can be merged.
    parameters
        The parameters that it declares.
    sources
        Its values with texts.
    settings
        The cluster's conventions.
    """
    try:
        pod = layered_pod(spec)
    except PortConflictError:
        return  # a violation, without which nothing more is known
    yield from overruled(spec, model_container(pod), settings)
    layer_default_resources(model_container(pod), settings)
    layer_shared_environment(pod["spec"], settings)
    environments = _environments(pod, spec, parameters)
    yield from variable_warnings(sources, environments)
    yield from _circles(environments, spec)
    yield from _spaces(spec, pod)
    yield from volume_warnings(spec, pod)
    yield from scaling_warnings(spec.vendor_configuration.endpoint_config, model_container(pod))
    yield from _ports(spec)
    yield from scheme_warnings(spec)
    yield from _metadata(spec)
    yield from _default_container(spec, pod)
    yield from _other_containers(spec)


def _environments(
    pod: Mapping[str, Any], spec: ModelTemplateSpec, parameters: ParameterSchema
) -> dict[Loc, Environment]:
    found: dict[Loc, Environment] = {}
    stated = [each["name"] for each in _stated(spec, "containers")]
    has_links = pod["spec"].get("enableServiceLinks") is not False
    for key in sorted(CONTAINER_LISTS):
        for index, container in enumerate(pod["spec"].get(key) or ()):
            is_model = key == "containers" and container["name"] == MODEL_CONTAINER
            environment = Environment.of(container, parameters, is_model=is_model, has_links=has_links)
            if is_model:
                found[_BUNDLE_LOC] = environment
            if key != "containers":
                found[(*_POD_LOC, "spec", key, index)] = environment
            elif container["name"] in stated:
                found[(*_POD_LOC, "spec", key, stated.index(container["name"]))] = environment
    return found


def _circles(environments: Mapping[Loc, Environment], spec: ModelTemplateSpec) -> Iterator[Violation]:
    bundle = {name: (*_BUNDLE_LOC, "env", name) for name in spec.vendor_configuration.bundle_config.env}
    for loc, environment in environments.items():
        if loc == _BUNDLE_LOC:
            yield from circle_warnings(environment, bundle)
            continue
        stated = _stated(spec, str(loc[-2]))[int(loc[-1])].get("env") or ()
        locs: dict[str, Loc] = {each["name"]: (*loc, "env", index) for index, each in enumerate(stated)}
        if environment.is_model:
            # The bundle's are reported there.
            locs = {name: place for name, place in locs.items() if name not in bundle}
        yield from circle_warnings(environment, locs)


def _spaces(spec: ModelTemplateSpec, pod: Mapping[str, Any]) -> Iterator[Violation]:
    """Yield arguments with spaces that are written for a shell, where none splits them."""
    bundle = spec.vendor_configuration.bundle_config
    model = next(each for each in pod["spec"]["containers"] if each["name"] == MODEL_CONTAINER)
    is_shell = runs_shell(model.get("command"))
    commands: list[tuple[Any, Loc, bool, bool]] = [
        (bundle.command, (*_BUNDLE_LOC, "command"), True, is_shell),
        (bundle.streaming_command, (*_BUNDLE_LOC, "streaming_command"), True, is_shell),
        (bundle.args, (*_BUNDLE_LOC, "args"), False, is_shell),
    ]
    for key in sorted(CONTAINER_LISTS):
        for index, container in enumerate(_stated(spec, key)):
            loc: Loc = (*_POD_LOC, "spec", key, index)
            command = container.get("command")
            runs = is_shell if container.get("name") == MODEL_CONTAINER else runs_shell(command)
            commands.append((command, (*loc, "command"), True, runs))
            commands.append((container.get("args"), (*loc, "args"), False, runs))
            for probe in sorted(PROBES):
                action = container.get(probe)
                execute = action.get("exec") if isinstance(action, Mapping) else None
                checked = execute.get("command") if isinstance(execute, Mapping) else None
                commands.append((checked, (*loc, probe, "exec", "command"), True, runs_shell(checked)))
    for items, loc, has_program, runs in commands:
        for index, item in enumerate(items if isinstance(items, list) else ()):
            is_program = has_program and index == 0
            if isinstance(item, str) and _has_spaces(item, is_program=is_program, is_shell=runs):
                example = "the program and its arguments" if is_program else "an option and its value"
                message = f"is one argument with spaces, which no shell splits; write {example} as items"
                yield Violation((*loc, index), message, "spaces")


def _has_spaces(item: str, *, is_program: bool, is_shell: bool) -> bool:
    text = item.strip()
    if is_program:
        return len(text.split(None, 1)) > 1
    return not is_shell and bool(_OPTION.match(text))


def _ports(spec: ModelTemplateSpec) -> Iterator[Violation]:
    """Yield probes with another port than the served one, where no port was stated as that."""
    model = stated_model(spec)
    served = served_port(model, spec)
    if served is None or served.is_explicit or spec.vendor_configuration.bundle_config.healthcheck_route:
        return
    index = next((place for place, each in enumerate(_stated(spec, "containers")) if each is model), 0)
    for path, port in probe_ports(model):
        if isinstance(port, int) and isinstance(served.number, int) and port != served.number:
            origin = " by default" if served.is_assumed else ""
            message = (
                f"is another port than that of the Service, {served.number}{origin}; if the model serves on "
                "this one, set bundle_config.port"
            )
            yield Violation((*_POD_LOC, "spec", "containers", index, *path), message, "served_port")


def _metadata(spec: ModelTemplateSpec) -> Iterator[Violation]:
    metadata = (spec.pod_template or {}).get("metadata") or {}
    for name in ("name", "namespace", "generateName"):
        if metadata.get(name) is not None:
            message = "has no effect: the Deployment names its pods, in the namespace of the instance"
            yield Violation((*_POD_LOC, "metadata", name), message, "no_effect")


def _default_container(spec: ModelTemplateSpec, pod: Mapping[str, Any]) -> Iterator[Violation]:
    """Yield the annotations that name the container for kubectl logs and exec, and name none."""
    annotations = ((spec.pod_template or {}).get("metadata") or {}).get("annotations") or {}
    known = [each["name"] for key in sorted(CONTAINER_LISTS) for each in pod["spec"].get(key) or ()]
    for annotation in _DEFAULT_CONTAINER:
        name = annotations.get(annotation)
        # Names in references are known only for an instance.
        if isinstance(name, str) and name not in known and not any("$(" in each for each in (name, *known)):
            message = f"names no container of the pod, so kubectl takes the first{did_you_mean(name, known)}"
            yield Violation((*_POD_LOC, "metadata", "annotations", annotation), message, "default_container")


def _other_containers(spec: ModelTemplateSpec) -> Iterator[Violation]:
    containers = _stated(spec, "containers")
    if any(each.get("name") == MODEL_CONTAINER for each in containers):
        return
    for index, container in enumerate(containers):
        image = container.get("image")
        if isinstance(image, str) and same_repository(image, spec.vendor_configuration.bundle_config):
            message = (
                f"has the image of the bundle, but runs beside the container {MODEL_CONTAINER}, which the "
                f"operator adds; if it is the model's, name it {MODEL_CONTAINER}"
            )
            yield Violation((*_POD_LOC, "spec", "containers", index, "name"), message, "container_name")


def _stated(spec: ModelTemplateSpec, key: str) -> list[Mapping[str, Any]]:
    return list(((spec.pod_template or {}).get("spec") or {}).get(key) or ())
