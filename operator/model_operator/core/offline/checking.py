"""The checks of the webhook, the API server and the operator, for the objects of a set of files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from model_operator.api import TemplateKind
from model_operator.core.admission.change import Change
from model_operator.core.admission.instance import Examination, examine_instance
from model_operator.core.admission.template import template_advice
from model_operator.core.objects.gateway_label import gateway_label_fault
from model_operator.core.offline.collection import Collection, FileTemplates, Manifest
from model_operator.core.offline.findings import Finding, Severity, in_order
from model_operator.core.offline.kubernetes_schemas import KubernetesSchemas
from model_operator.core.offline.placeholders import is_of_helm
from model_operator.core.offline.stored_form import unknown_field
from model_operator.core.offline.template_names import TemplateNames
from model_operator.core.offline.unshared_templates import NOT_SHARED, unshared_template
from model_operator.core.planning.dry_run import DryRunResult, dry_run_deployment
from model_operator.core.planning.plan import make_plan
from model_operator.core.reasons.reasons import Reason
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_template
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.templates.revisions.objects import revision_faults
from model_operator.core.templates.substitution import strings
from model_operator.core.values.violations import Loc, Violation

_Named = dict[int, dict[str, int]]
"""For each list, by its `id`: the index of the first item of each name."""


class Checker:
    """Checks the objects of a collection.

    Parameters
    ----------
    collection
        The objects.
    settings
        The cluster's conventions for rendering.
    schemas
        Kubernetes' schemas, for rendered objects.
    templates
        The templates for the instances, with their revisions; by default those of the collection.
    labels
        Labels of the namespaces in the files, by their names; used by default templates only.
    """

    def __init__(
        self,
        collection: Collection,
        settings: RenderSettings,
        schemas: KubernetesSchemas,
        templates: FileTemplates | None = None,
        labels: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    ) -> None:
        self._collection = collection
        self._settings = settings
        self._schemas = schemas
        self._templates = templates or FileTemplates(
            (manifest.obj for manifest in collection.templates),
            settings.free_metadata_domains,
            (manifest.obj for manifest in collection.revisions),
            labels,
        )
        self._names = TemplateNames(each.identity for each in collection.templates)
        self._refused: dict[tuple[str, str, str], set[Violation]] = {}

    def findings(self) -> list[Finding]:
        """Return all findings, sorted by file and position."""
        found = list(self._collection.findings)
        for manifest in self._collection.manifests:
            found += map(manifest.finding, self._metadata(manifest.obj["metadata"]))
        for manifest in self._collection.templates:
            found += self._template(manifest)
        for manifest in self._collection.revisions:
            found += map(
                manifest.finding, revision_faults(manifest.obj, self._settings.free_metadata_domains)
            )
        for manifest in self._collection.instances:
            found += self._instance(manifest)
        places = {(each.source, each.position) for each in found}
        for manifest in self._collection.manifests:
            literal = (manifest.finding(each, Severity.WARNING) for each in _placeholders(manifest.obj))
            found += [each for each in literal if (each.source, each.position) not in places]
        return in_order(found)

    def _metadata(self, metadata: Mapping[str, Any]) -> list[Violation]:
        known = self._schemas.metadata_fields()
        unknown = [name for name in metadata if name not in known]
        return [unknown_field(("metadata", name), known, faults=n) for n, name in enumerate(unknown)]

    def _template(self, manifest: Manifest) -> list[Finding]:
        compiled = parse_template(manifest.obj, self._settings.free_metadata_domains)
        found = template_advice(compiled, self._settings, is_placed=manifest.is_placed)
        advice = [manifest.finding(each, Severity.WARNING) for each in found]
        if compiled.violations:
            return [*map(manifest.finding, compiled.violations), *advice]
        # A cluster template is rendered in any namespace: its schema is the same in all of them.
        namespace = manifest.identity[1] or "default"
        result = dry_run_deployment(compiled, namespace, self._settings)
        if isinstance(result, DryRunResult):
            note = Violation(
                ("spec", "model_creation_parameters_schema"),
                f"not checked against Kubernetes' schemas: {result.detail}",
                "no_example",
            )
            return [*advice, manifest.finding(note, Severity.WARNING)]
        refused = self._schemas.violations(result)
        self._refused[manifest.identity] = set(refused)
        named: _Named = {}
        origins = (_at_its_origin(fault, result, manifest.obj, named) for fault in refused)
        return [*advice, *map(manifest.finding, origins)]

    def _instance(self, manifest: Manifest) -> list[Finding]:
        label = gateway_label_fault(manifest.obj["metadata"].get("labels"))
        found = [] if label is None else [manifest.finding(label, Severity.WARNING)]
        return [*found, *self._specification(manifest)]

    def _specification(self, manifest: Manifest) -> list[Finding]:
        examination = examine_instance(Change(manifest.obj), self._templates, self._settings, self._templates)
        problem = examination.problem
        if problem is not None and problem.reason is Reason.TemplateRevisionNotFound:
            message = "no such revision is among the files; the instance was not checked against it"
            missing = (replace(each, msg=message) for each in examination.violations)
            return [manifest.finding(each, Severity.WARNING) for each in missing]
        faults = examination.violations or examination.own
        if faults:
            return [*map(manifest.finding, faults)]
        if examination.problem is not None:
            found = self._without_template(examination)
            # In a file without a namespace, the instance may be meant for another one.
            is_certain = found.type == NOT_SHARED and manifest.is_placed
            return [manifest.finding(found, Severity.ERROR if is_certain else Severity.WARNING)]
        return self._rendered(manifest, examination)

    def _without_template(self, examination: Examination) -> Violation:
        """Return what is wrong with an instance that cannot be validated against its template."""
        problem, spec = examination.problem, examination.instance.spec
        if problem is not None and problem.reason is Reason.TemplateNotFound:
            unshared = unshared_template(examination.instance, self._templates)
            if unshared is not None:
                return unshared
            kinds = spec.model_template_kind or " or ".join(TemplateKind)
            if spec.model_template_namespace is not None:
                kinds = TemplateKind.MODEL_TEMPLATE
            hint = self._names.hint(examination.instance)
            message = (
                f"no {kinds} of this name is among the files; the instance was not checked against it{hint}"
            )
        else:
            message = "the template is invalid; the instance was not checked against it"
        return Violation(("spec", "model_template_id"), message, "template")

    def _rendered(self, manifest: Manifest, examination: Examination) -> list[Finding]:
        """Validate the rendered children of an instance; faults of the template itself are left out."""
        template = examination.template
        plan = make_plan(examination.instance, template, self._settings, pinned=examination.pinned)
        rendering = plan.rendering
        if template is None or rendering is None:
            return []
        known = self._refused.get(_identity(template), set())
        found = []
        for child in rendering.children:
            for fault in self._schemas.violations(child.applied):
                if fault not in known:
                    message = f"results in a {child.kind} that Kubernetes rejects: {fault}"
                    loc: Loc = ("spec", "model_creation_parameters")
                    found.append(manifest.finding(Violation(loc, message, f"kubernetes_{fault.type}")))
        return found


def _placeholders(obj: Mapping[str, Any]) -> Iterator[Violation]:
    """Yield the texts of an object with placeholders of Helm, which no other rule finds."""
    for name in ("metadata", "spec"):
        for loc, text in strings(obj.get(name)):
            if is_of_helm(text):
                yield Violation((name, *loc), "is used as it is written", "placeholder")


def _identity(template: CompiledTemplate) -> tuple[str, str, str]:
    metadata = template.resource.metadata
    return template.resource.kind, metadata.namespace, metadata.name


def _at_its_origin(
    fault: Violation, rendered: Mapping[str, Any], template: Mapping[str, Any], named: _Named
) -> Violation:
    """Return a violation in a rendered Deployment with the path of the template's field that caused it."""
    spec, code = template["spec"], f"kubernetes_{fault.type}"
    loc: Loc = ("spec",)
    match fault.loc:
        case ("spec", "template", *rest) if "pod_template" in spec:
            inside = _same_place(tuple(rest), rendered["spec"]["template"], spec["pod_template"], named)
            loc = ("spec", "pod_template", *inside)
            if len(inside) == len(rest):
                return Violation(loc, fault.msg, code)
        case ("spec", "strategy", *rest) if "strategy" in spec:
            return Violation(("spec", "strategy", *rest), fault.msg, code)
    return Violation(loc, f"results in a Deployment that Kubernetes rejects: {fault}", code)


def _places_of_names(items: list[Any]) -> dict[str, int]:
    """Return the index of the first item of each name."""
    places: dict[str, int] = {}
    for number, item in enumerate(items):
        if isinstance(item, Mapping):
            places.setdefault(str(item.get("name")), number)
    return places


def _same_place(loc: Loc, rendered: Any, written: Any, named: _Named) -> Loc:
    """Return the part of a path in the rendered object that also exists in the template, items by name.

    Parameters
    ----------
    named
        A cache of the indices of items by name, so that each list is searched once for all faults.
    """
    found: list[str | int] = []
    for part in loc:
        target: str | int = part
        if isinstance(part, int):
            name = rendered[part].get("name") if isinstance(rendered[part], Mapping) else None
            if name is not None and isinstance(written, list):
                if id(written) not in named:
                    named[id(written)] = _places_of_names(written)
                target = named[id(written)].get(str(name), -1)
        is_there = (
            target in written
            if isinstance(written, Mapping)
            else isinstance(written, list) and isinstance(target, int) and 0 <= target < len(written)
        )
        if not is_there:
            break
        found.append(target)
        written = written[target]
        rendered = rendered[part] if not isinstance(rendered, Mapping) or part in rendered else None
    return tuple(found)
