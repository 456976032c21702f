"""The templates and instances of a set of files, in any order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError

from model_operator.api import ModelInstance, ObjectMeta, TemplateKind
from model_operator.core.admission.instance import ADMISSION_LABEL, LABEL_RULE, Enforcement
from model_operator.core.offline.documents import Document
from model_operator.core.offline.findings import Finding, Severity
from model_operator.core.offline.nodes import Position
from model_operator.core.offline.placeholders import unreplaced
from model_operator.core.offline.recognition import is_ours, mistaken_group, type_faults
from model_operator.core.offline.stored_form import RESOURCES, stored_form
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_template
from model_operator.core.templates.revisions.objects import REVISION_KINDS, read_revision
from model_operator.core.values.limits import MAX_KEY_CHARACTERS
from model_operator.core.values.model_errors import model_violations
from model_operator.core.values.violations import Loc, Violation, format_loc
from model_operator.core.values.words import noun

DEFAULT_NAMESPACE: Final = "default"
_YAML: Final = "yaml"
"""Code of a fault of a document, of which nothing else can be said."""


@dataclass(frozen=True)
class Manifest:
    """One object of a file.

    Attributes
    ----------
    document, root
        The document that holds it, and its path in it when it is an item of a List.
    obj
        The object as the API server stores it, without defaults; a namespaced one has its namespace.
    is_placed
        Whether the file names its namespace.
    """

    document: Document
    root: Loc
    obj: dict[str, Any]
    is_placed: bool = False

    @property
    def kind(self) -> str:
        """Kind of the object."""
        return str(self.obj["kind"])

    @property
    def identity(self) -> tuple[str, str, str]:
        """Kind, namespace and name; the namespace of a cluster template is empty."""
        metadata = self.obj["metadata"]
        return self.kind, metadata.get("namespace", ""), metadata.get("name", "")

    def finding(self, violation: Violation, severity: Severity = Severity.ERROR) -> Finding:
        """Return a violation as a finding, with the position of its field."""
        _, namespace, name = self.identity
        name = name or f"{self.obj['metadata'].get('generateName', '')}…"
        kind, namespace, name = map(_shortened, (self.kind, namespace, name))
        placeholder = unreplaced(self.document.text((*self.root, *violation.loc)))
        return Finding(
            source=self.document.source,
            position=self.document.position((*self.root, *violation.loc)),
            path=format_loc(
                tuple(_shortened(part) if isinstance(part, str) else part for part in violation.loc)
            ),
            message=f"{violation.msg}; {placeholder}" if placeholder else violation.msg,
            code=violation.type,
            severity=severity,
            subject=f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}",
        )


@dataclass
class Collection:
    """The content of a set of files.

    Attributes
    ----------
    manifests
        Objects of our kinds that are complete enough to be checked.
    findings
        Faults of incomplete objects, and unknown fields.
    others
        Number of objects of other kinds, which are not checked.
    unusable
        Number of objects of our API group that are not complete enough, `unrecognised` ones included.
    unrecognised
        Number of objects whose group, version or kind is not ours, but probably was meant to be.
    """

    manifests: list[Manifest] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    others: int = 0
    unusable: int = 0
    unrecognised: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing of ours: every document was read, and none has an object of our kinds."""
        has_ours = self.manifests or self.unusable > self.unrecognised
        return not has_ours and not any(found.code == _YAML for found in self.findings)

    def of_kind(self, *kinds: str) -> list[Manifest]:
        """Return the objects of some kinds, by namespace and name."""
        chosen = [manifest for manifest in self.manifests if manifest.kind in kinds]
        return sorted(chosen, key=lambda manifest: manifest.identity)

    @property
    def instances(self) -> list[Manifest]:
        """The instances, by namespace and name."""
        return self.of_kind(ModelInstance.__name__)

    @property
    def templates(self) -> list[Manifest]:
        """The templates of both kinds, by kind, namespace and name."""
        return self.of_kind(*TemplateKind)

    @property
    def revisions(self) -> list[Manifest]:
        """The revisions of templates of both kinds, by kind, namespace and name."""
        return self.of_kind(*(kind.__name__ for kind in REVISION_KINDS.values()))


class FileTemplates:
    """The templates that files offer, and their revisions.

    It is a :class:`~model_operator.core.templates.resolution.TemplateLookup`, and a
    :class:`~model_operator.core.templates.revisions.assignment.RevisionLookup`.

    Parameters
    ----------
    objects
        Template objects. Of two with the same name, the first counts.
    free_domains
        ``free_metadata_domains`` of `model_operator.core.templates.render_settings.RenderSettings`.
    revisions
        Objects that keep revisions of the templates.
    labels
        Labels of the namespaces that are known, by their names.
    """

    def __init__(
        self,
        objects: Iterable[Mapping[str, Any]],
        free_domains: Iterable[str] = (),
        revisions: Iterable[Mapping[str, Any]] = (),
        labels: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    ) -> None:
        self._labels = labels
        self._free_domains = tuple(free_domains)
        self._revisions = {_identity(revision): revision for revision in revisions}
        self._by_identity: dict[tuple[str, str, str], CompiledTemplate] = {}
        self._by_uid: dict[str, CompiledTemplate] = {}
        for obj in objects:
            identity = _identity(obj)
            if identity not in self._by_identity:
                self._by_identity[identity] = found = parse_template(obj, self._free_domains)
                self._by_uid.setdefault(found.resource.metadata.uid, found)

    def by_name(self, kind: TemplateKind, namespace: str, name: str) -> CompiledTemplate | None:
        """Return the template of that kind and name."""
        here = namespace if kind is TemplateKind.MODEL_TEMPLATE else ""
        return self._by_identity.get((kind.value, here, name))

    def by_uid(self, uid: str) -> CompiledTemplate | None:
        """Return the template with that uid; objects that were never in a cluster have none."""
        return self._by_uid.get(uid) if uid else None

    def labels_of(self, namespace: str) -> Mapping[str, str] | None:
        """Return the labels of a namespace; None unless it is among the files, or was read."""
        return self._labels.get(namespace)

    def latest(self, template: CompiledTemplate) -> CompiledTemplate | None:
        """Return what instances of a template run: itself, or its last valid revision if it is invalid."""
        known = template.resource.status.latest_revision if template.violations else None
        return None if known is None else self.by_hash(template, known)

    def by_hash(self, template: CompiledTemplate, revision: str) -> CompiledTemplate | None:
        """Return the revision of a template that has this hash."""
        resource = template.resource
        kind, namespace = REVISION_KINDS[resource.kind].__name__, resource.metadata.namespace
        obj = self._revisions.get((kind, namespace, f"{resource.metadata.name}-{revision}"))
        return None if obj is None else read_revision(obj, resource, self._free_domains)

    def stable(self, template: CompiledTemplate) -> str:
        """Return the hash of the stable revision of a template, if its file has a status that says so."""
        return template.resource.status.stable_revision or ""


def collect(documents: Iterable[Document], namespace: str = DEFAULT_NAMESPACE) -> Collection:
    """Separate our objects from others, and check their kind, metadata and fields.

    Parameters
    ----------
    documents
        The documents of all files.
    namespace
        Namespace of objects that do not specify one.
    """
    collection = Collection()
    first: dict[tuple[str, str, str], Manifest] = {}
    for document in documents:
        collection.findings += [_fault(document, fault.position, fault.message) for fault in document.faults]
        for root, obj in objects_in(document.value, ()):
            if not is_ours(obj):
                collection.findings += _foreign(document, root, obj, collection)
                continue
            manifest = Manifest(document, root, obj)
            type_violations = [*type_faults(obj)]
            collection.unrecognised += bool(type_violations)
            violations = [*type_violations, *_metadata_faults(obj)]
            if not violations:
                stored, violations = stored_form(obj)
                is_placed = bool(stored["metadata"].get("namespace"))
                manifest = replace(manifest, obj=_in_namespace(stored, namespace), is_placed=is_placed)
                violations += _repetition(manifest, first)
                collection.manifests.append(manifest)
            else:
                collection.unusable += 1
                manifest = replace(manifest, obj=_presentable(obj))
            collection.findings += map(manifest.finding, violations)
    return collection


def _identity(obj: Mapping[str, Any]) -> tuple[str, str, str]:
    metadata = obj["metadata"]
    return obj["kind"], metadata.get("namespace", ""), metadata.get("name", "")


def _foreign(document: Document, root: Loc, obj: dict[str, Any], collection: Collection) -> Iterator[Finding]:
    """Count an object of another group, and yield what is wrong with it if it concerns us."""
    mistaken = mistaken_group(obj)
    if mistaken is None:
        collection.others += 1
        yield from _namespace_findings(document, root, obj)
        return
    violation, severity = mistaken
    is_error = severity is Severity.ERROR
    collection.unusable += is_error
    collection.unrecognised += is_error
    collection.others += not is_error
    yield Manifest(document, root, _presentable(obj)).finding(violation, severity)


def _namespace_findings(document: Document, root: Loc, obj: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what is wrong with the label of a Namespace that decides how its instances are validated."""
    metadata = obj.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    if (obj.get("apiVersion"), obj.get("kind")) != ("v1", "Namespace") or not isinstance(labels, dict):
        return
    if ADMISSION_LABEL in labels and labels[ADMISSION_LABEL] not in [*Enforcement]:
        manifest = Manifest(document, root, _presentable(obj))
        violation = Violation(("metadata", "labels", ADMISSION_LABEL), LABEL_RULE, "enum")
        yield manifest.finding(violation, Severity.WARNING)


def _shortened(text: str) -> str:
    """Return a name or key, cut to a length fit for each message."""
    return text if len(text) <= MAX_KEY_CHARACTERS else f"{text[:MAX_KEY_CHARACTERS]}…"


def objects_in(value: Any, root: Loc) -> Iterator[tuple[Loc, dict[str, Any]]]:
    """Yield the objects of a document, and the items of a List."""
    if not isinstance(value, dict):
        return
    items = value.get("items")
    if str(value.get("kind", "")).endswith("List") and isinstance(items, list):
        for index, item in enumerate(items):
            yield from objects_in(item, (*root, "items", index))
    else:
        yield root, value


def _metadata_faults(obj: Mapping[str, Any]) -> Iterator[Violation]:
    """Yield faults of the metadata that make any further check impossible, such as no name."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict):
        got = "required field is missing" if metadata is None else f"must be an object, got {noun(metadata)}"
        yield Violation(("metadata",), got, "missing" if metadata is None else "dict_type")
        return
    try:
        read = ObjectMeta.model_validate({key: item for key, item in metadata.items() if item is not None})
    except ValidationError as error:
        yield from model_violations(error, at=("metadata",))
        return
    if not read.name and not read.generateName:
        yield Violation(("metadata", "name"), "required field is missing", "missing")


def _in_namespace(obj: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    metadata = {key: item for key, item in obj["metadata"].items() if item is not None}
    if RESOURCES[obj["kind"]].namespaced:
        metadata["namespace"] = metadata.get("namespace") or namespace
    else:
        metadata.pop("namespace", None)
    return {**obj, "metadata": metadata}


def _presentable(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Return the kind and name of a malformed object, for messages."""
    given = obj.get("metadata")
    names = given if isinstance(given, dict) else {}
    metadata = {key: names[key] for key in ("name", "namespace") if isinstance(names.get(key), str)}
    return {"kind": str(obj.get("kind", "")), "metadata": metadata}


def _repetition(manifest: Manifest, first: dict[tuple[str, str, str], Manifest]) -> list[Violation]:
    if not manifest.identity[2]:
        return []
    earlier = first.setdefault(manifest.identity, manifest)
    if earlier is manifest:
        return []
    line = earlier.document.position(earlier.root).line
    message = f"must be unique, but {earlier.document.source}:{line} defines the same object"
    return [Violation(("metadata", "name"), message, "not_unique")]


def _fault(document: Document, position: Position, message: str) -> Finding:
    return Finding(document.source, position, "", message, _YAML)
