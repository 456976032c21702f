"""A template of a workload: the decisions in their order, the check of the result, and its text."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from model_operator.api import API_VERSION, ModelInstance, ModelType, TemplateKind
from model_operator.core.offline.checking import Checker
from model_operator.core.offline.collection import DEFAULT_NAMESPACE, FileTemplates, collect
from model_operator.core.offline.conversion.beside import note_objects, note_workload, take_claims
from model_operator.core.offline.conversion.capacity import take_resources, take_workers
from model_operator.core.offline.conversion.cleaning import cleaned_pod
from model_operator.core.offline.conversion.containers import choose_container, rename_container, take_bundle
from model_operator.core.offline.conversion.credentials import REMOVED, move_credentials, remove_tokens
from model_operator.core.offline.conversion.equivalence import Change, differences
from model_operator.core.offline.conversion.input_check import check_input
from model_operator.core.offline.conversion.metadata import take_metadata
from model_operator.core.offline.conversion.notes import ConversionError, Draft, Note, Topic
from model_operator.core.offline.conversion.parameters import Parameters
from model_operator.core.offline.conversion.servers import known_server
from model_operator.core.offline.conversion.service_and_probes import service_targets, take_serving
from model_operator.core.offline.conversion.workloads import Workload, items
from model_operator.core.offline.documents import read_documents
from model_operator.core.offline.findings import Finding, has_errors
from model_operator.core.offline.kubernetes_schemas import KubernetesSchemas
from model_operator.core.offline.rendered import rendered_children
from model_operator.core.templates.layering import MODEL_CONTAINER
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.values.printable import printable
from model_operator.core.values.words import listed
from model_operator.core.values.yaml_dialect import Dumper

_BUNDLE: Final = (
    *("registry", "image", "tag", "digest", "image_pull_policy", "image_pull_secrets", "command", "args"),
    *("port", "healthcheck_route", "readiness_initial_delay_seconds", "predict_route", "env"),
)
_SPEC: Final = (
    *("model_type", "endpoint_type", "endpoint_protocol", "vendor_configuration", "strategy", "service"),
    *("metadata", "model_creation_parameters_schema", "pod_template"),
)
_MAX_TEMPLATE_NAME: Final = 63
_MAX_INSTANCE_NAME: Final = 40
SOURCE: Final = "<template>"
"""Name of the made template in findings about it."""


@dataclass(frozen=True)
class Options:
    """What the user decides about a conversion.

    Attributes
    ----------
    name, instance
        Names of the template and of the example instance; by default that of the workload.
    is_cluster
        Whether to make a ClusterModelTemplate.
    container
        Name of the model's container in the manifest; by default it is guessed.
    model_type
        What the models do; by default what the server in the image mostly does.
    parameters
        Names of parameters with what they take the place of, see
        `model_operator.core.offline.conversion.parameters.Parameters.choose`.
    has_defaults
        Whether to add parameters for what varies with most servers.
    """

    name: str | None = None
    instance: str | None = None
    is_cluster: bool = False
    container: str | None = None
    model_type: ModelType | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    has_defaults: bool = True


@dataclass(frozen=True)
class Conversion:
    """The result of a conversion.

    Attributes
    ----------
    origin
        Kind and name of the workload.
    template, instance
        The template, and an example instance of it that runs what the manifest states.
    notes
        What there is to say.
    children
        What the operator would apply for the instance; empty if the template is invalid.
    findings
        What `validate` reports about both.
    """

    origin: str
    template: dict[str, Any]
    instance: dict[str, Any]
    notes: tuple[Note, ...]
    children: tuple[Mapping[str, Any], ...] = ()
    findings: tuple[Finding, ...] = field(default=())

    @property
    def is_valid(self) -> bool:
        """Whether the template and the instance would be accepted."""
        return not has_errors(self.findings)

    def text(self, *, with_instance: bool) -> str:
        """Return the template as YAML, with the notes as comments before it.

        Parameters
        ----------
        with_instance
            Whether the instance follows.
        """
        lines = [f"# Made of {printable(self.origin)} by model-operator init."]
        for topic in Topic:
            texts = [note.text for note in self.notes if note.topic is topic]
            lines += [f"# {topic.value}", *(f"#   {printable(text)}" for text in texts)] if texts else []
        objects = [self.template, *([self.instance] if with_instance else [])]
        return "\n".join(lines) + "\n" + _dumped(*objects)


def convert(
    workload: Workload, options: Options, settings: RenderSettings, schemas: KubernetesSchemas
) -> Conversion:
    """Return a template of a workload, checked and rendered once.

    Parameters
    ----------
    workload
        The workload.
    options
        The user's decisions.
    settings
        The cluster's conventions for rendering.
    schemas
        Kubernetes' schemas, for rendered objects.

    Raises
    ------
    ConversionError
        No template can be made of it, or an option does not fit.
    """
    check_input(workload, schemas)
    name = _name(options.name or workload.name, _MAX_TEMPLATE_NAME, "name")
    instance_name = _name(options.instance or workload.name, _MAX_INSTANCE_NAME, "instance")
    pod, dropped = cleaned_pod(workload.pod, is_live=workload.kind == "Pod")
    container, reason = choose_container(pod, options.container, service_targets(workload), settings)
    own_name = str(container.get("name") or "")
    rename_container(pod, container)
    draft = Draft(pod, container)
    if reason:
        draft.note(Topic.ASSUMED, f"container {own_name} serves the model: {reason}; choose with --container")
    _hide_credentials(draft, f"{name[:50]}-credentials")
    stated = copy.deepcopy(pod)
    image, words = str(container.get("image") or ""), _words(container)
    server = known_server(image, words)
    take_bundle(draft)
    for key in take_metadata(draft, workload, dropped):
        stated["metadata"]["labels"][key] = instance_name
    take_resources(draft, settings)
    take_claims(draft, workload)
    take_serving(draft, workload, server)
    note_workload(draft, workload)
    take_workers(draft, workload, own_name)
    model_type = options.model_type or (server.model_type if server else ModelType.GENERIC)
    if options.model_type is None:
        draft.note(Topic.ASSUMED, f"model_type {model_type.value}; choose with --model-type")
    if server is not None and "endpoint_type" not in draft.rest:
        draft.bundle["predict_route"] = server.predict_route
        if server.protocol is not None:
            draft.rest["endpoint_protocol"] = server.protocol.value
    note_objects(draft, workload)
    spec = _spec(draft, model_type)
    parameters = Parameters(spec, draft)
    for parameter, target in options.parameters:
        parameters.choose(parameter, target)
    if options.has_defaults:
        parameters.add_defaults()
    schema = parameters.schema()
    if schema is not None:
        spec["model_creation_parameters_schema"] = schema
    values = {each: parameters.values[each] for each in parameters.required}
    placed = {"namespace": workload.namespace} if workload.namespace else {}
    kind = TemplateKind.CLUSTER_MODEL_TEMPLATE if options.is_cluster else TemplateKind.MODEL_TEMPLATE
    made = Conversion(
        origin=f"{workload.kind} {workload.name}",
        template={
            "apiVersion": API_VERSION,
            "kind": kind.value,
            "metadata": {"name": name, **({} if options.is_cluster else placed)},
            "spec": _ordered(spec, _SPEC),
        },
        instance={
            "apiVersion": API_VERSION,
            "kind": ModelInstance.__name__,
            "metadata": {"name": instance_name, **placed},
            "spec": {"model_template_id": name, **({"model_creation_parameters": values} if values else {})},
        },
        notes=tuple(dict.fromkeys(draft.notes)),
    )
    return _checked(made, stated, settings, schemas)


def _name(text: str, most: int, option: str) -> str:
    """Return a name that an object of ours may have, or the workload's in that form."""
    found = re.sub(r"[^a-z0-9-]+", "-", text.lower())[:most].strip("-")
    if not found:
        raise ConversionError(f"--{option}: must be a name of letters, digits and '-'; the workload has none")
    return f"m-{found}"[:most].rstrip("-") if found[0].isdigit() and most == _MAX_INSTANCE_NAME else found


def _words(container: Mapping[str, Any]) -> list[str]:
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    words += [each.get("value") for each in items(container.get("env"))]
    return [word for word in words if isinstance(word, str)]


def _hide_credentials(draft: Draft, secret: str) -> None:
    for key in ("initContainers", "containers"):
        for container in draft.pod_spec.get(key) or ():
            if isinstance(container, dict):
                for place in move_credentials(container, secret):
                    draft.note(Topic.CREDENTIAL, place)
    for path in remove_tokens(draft.pod):
        draft.note(Topic.CREDENTIAL, f"{path}, where {REMOVED} stands now")


def _spec(draft: Draft, model_type: ModelType) -> dict[str, Any]:
    endpoint = {"endpoint_config": draft.endpoint} if draft.endpoint else {}
    bundle = _ordered(draft.bundle, _BUNDLE)
    spec = {
        "model_type": model_type.value,
        **draft.rest,
        "vendor_configuration": {"bundle_config": bundle, **endpoint},
    }
    pod_spec = draft.pod_spec
    if pod_spec["containers"] == [{"name": MODEL_CONTAINER}]:
        del pod_spec["containers"]
    pod = {key: value for key, value in draft.pod.items() if value}
    return {**spec, **({"pod_template": pod} if pod else {})}


def _ordered(fields: Mapping[str, Any], order: Iterable[str]) -> dict[str, Any]:
    places = {name: place for place, name in enumerate(order)}
    return dict(sorted(fields.items(), key=lambda item: places.get(item[0], len(places))))


def _dumped(*objects: Any) -> str:
    text: str = yaml.dump_all(
        objects, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110, explicit_start=True
    )
    return text


def _checked(
    made: Conversion, stated: Mapping[str, Any], settings: RenderSettings, schemas: KubernetesSchemas
) -> Conversion:
    """Validate the objects as ``validate`` does, render them, and compare with the manifest."""
    collection = collect(read_documents(_dumped(made.template, made.instance), SOURCE), DEFAULT_NAMESPACE)
    templates = FileTemplates([each.obj for each in collection.templates], settings.free_metadata_domains)
    findings = Checker(collection, settings, schemas, templates).findings()
    children: list[dict[str, Any]] = []
    notes = list(made.notes)
    if not has_errors(findings):
        children, problems = rendered_children(collection, templates, settings)
        findings = [*findings, *problems]
    for child in children:
        if child["kind"] != "Deployment":
            continue
        found = differences(stated, child["spec"]["template"])
        added = [each.path for each in found if each.change is Change.ADDED]
        if added:
            notes.append(Note(Topic.ADDED, listed(added)))
        notes += [
            Note(Topic.DIFFERS, f"{each.path} is {each.change.value}")
            for each in found
            if each.change is not Change.ADDED
        ]
    return Conversion(
        made.origin, made.template, made.instance, tuple(notes), tuple(children), tuple(findings)
    )
