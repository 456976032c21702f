"""What the operator knows about the cluster: one cache per kind, and the compiled templates."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

from model_operator.api import TemplateKind
from model_operator.controller.cache.instance_memo import InstanceChanges, InstanceMemo
from model_operator.controller.cache.namespace_labels import NamespaceLabels
from model_operator.controller.cache.revision_cache import RevisionCache
from model_operator.core.objects.kept_child import kept_child
from model_operator.core.objects.kept_form import kept_form
from model_operator.core.objects.ownership import (
    INSTANCE_LABEL,
    OwnerKey,
    controller_key,
    controller_of,
    instance_key,
    is_instance,
)
from model_operator.core.objects.template_annotation import annotated_revision
from model_operator.core.planning.dry_run import DryRunResult
from model_operator.core.status.rollout_counts import InstanceCounts, count_instances, sum_of
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_template
from model_operator.core.templates.resolution import TemplateReference, resolve_reference
from model_operator.core.templates.revisions.entry_revisions import (
    named_revisions,
    reported_revisions,
    rollout_revisions,
)
from model_operator.core.templates.revisions.kept import template_kind
from model_operator.core.templates.sharing import Grant, Sharing, grant_of
from model_operator.kube.object_cache import NamespacedName, Object, ObjectCache, key_of
from model_operator.kube.resources import (
    CHILD_KINDS,
    CLUSTER_MODEL_TEMPLATES,
    DEPLOYMENTS,
    MODEL_INSTANCES,
    MODEL_TEMPLATES,
    REVISION_KINDS,
    ResourceKind,
)


class CachedDryRun(NamedTuple):
    """Result of a template's dry run.

    Attributes
    ----------
    revision
        Hash of what was tried. An edit of what concerns no model, such as a pause, leaves it as it is.
    result
        The result.
    time
        Time of the dry run, in seconds from any start.
    """

    revision: str
    result: DryRunResult
    time: float


class ClusterState:
    """The caches of all kinds.

    Parameters
    ----------
    free_domains
        ``free_metadata_domains`` of `model_operator.core.templates.render_settings.RenderSettings`.
    stored
        The kinds of templates whose revisions are stored; see `RevisionCache`.

    Attributes
    ----------
    instances
        ModelInstances.
    templates
        Templates by kind.
    revisions
        The stored revisions of templates.
    children
        Children with the operator's label, by kind.
    dry_runs
        The last dry run of each template, by uid.
    namespaces
        The labels of namespaces.
    changes
        The changes of instances and their Deployments.
    """

    def __init__(self, free_domains: Collection[str] = (), stored: Collection[TemplateKind] = ()) -> None:
        self._free_domains = free_domains
        self.changes = InstanceChanges()
        self.instances = ObjectCache(
            form=kept_form, on_change=self._note_instance, template=_template_keys, revision=_revision_keys
        )
        self.templates = {
            kind: ObjectCache(form=kept_form, name=lambda obj: [obj["metadata"]["name"]])
            for kind in TemplateKind
        }
        self.revisions = RevisionCache(self.templates, free_domains, stored)
        self.children = {
            kind.kind: ObjectCache(
                is_typed=True,
                form=kept_child,
                on_change=self._note_child,
                owner=_owner_keys,
                owner_name=_owner_name_keys,
            )
            for kind in CHILD_KINDS
        }
        self.dry_runs: dict[str, CachedDryRun] = {}
        self.namespaces = NamespaceLabels()
        self._compiled: dict[str, CompiledTemplate] = {}
        self._counted = InstanceMemo[InstanceCounts](self.changes, self.instances.get)
        self._used = InstanceMemo[frozenset[str]](self.changes, self.instances.get)
        self._forgetting: list[Callable[[str], None]] = [self._counted.forget, self._used.forget]

    def cache_of(self, kind: ResourceKind) -> ObjectCache:
        """Return the cache of a kind."""
        if kind is MODEL_INSTANCES:
            return self.instances
        if kind in (MODEL_TEMPLATES, CLUSTER_MODEL_TEMPLATES):
            return self.templates[TemplateKind(kind.kind)]
        if kind in REVISION_KINDS:
            return self.revisions.caches[template_kind({"kind": kind.kind})]
        return self.children[kind.kind]

    def children_of(self, namespace: str, uid: str) -> list[Object]:
        """Return the children of all kinds that the instance with that namespace and uid controls."""
        return [child for kind in self.children for child in self.children_of_kind(kind, namespace, uid)]

    def children_of_kind(self, kind: str, namespace: str, uid: str) -> list[Object]:
        """Return the children of one kind that the instance with that namespace and uid controls."""
        return self.children[kind].find("owner", instance_key(namespace, uid))

    def children_of_deleted_owners(self, namespace: str, name: str, uid: str | None) -> list[Object]:
        """Return the children whose controller is an instance of that name with another uid."""
        own = None if uid is None else instance_key(namespace, uid)
        return [
            child
            for cache in self.children.values()
            for child in cache.find("owner_name", (namespace, name))
            if controller_key(child) != own
        ]

    def names_without_instance(self) -> set[NamespacedName]:
        """Return the names of deleted instances that still have children."""
        names = {instance_of_child(child) for cache in self.children.values() for child in cache}
        return {name for name in names if name is not None and self.instances.get(*name) is None}

    def instances_of(self, template: Object) -> Iterator[NamespacedName]:
        """Yield the instances that refer to a template by name or uid, or are bound to it.

        One that refers to a template that is not shared with its namespace, and is not bound to it, is none
        of them.
        """
        grant, uid = grant_of(template), template["metadata"]["uid"]
        for instance in self.referring(template):
            if self._may_have(instance, grant, uid):
                yield key_of(instance)

    def _may_have(self, instance: Object, grant: Grant, uid: str) -> bool:
        """Return whether an instance that refers to a template is bound to it, or may be."""
        return (
            (grant.is_default and grant.owner in ("", instance["metadata"].get("namespace", "")))
            or bound_template(instance.get("status")) == uid
            or self.sharing(grant, instance) is Sharing.SHARED
        )

    def _is_among(self, instance: Object, template: Object) -> bool:
        """Return whether `instances_of` yields an instance for a template."""
        (namespace, name), uid = key_of(template), template["metadata"]["uid"]
        return (
            not {name, uid}.isdisjoint(_template_keys(instance))
            and _may_mean(instance, namespace)
            and self._may_have(instance, grant_of(template), uid)
        )

    def membership(self, template: Object) -> tuple[object, ...]:
        """Return all that decides which instances are a template's, but for these themselves.

        An instance names its template by name or uid, so templates of other names do not count.
        """
        metadata = template["metadata"]
        rivals = [
            (each["metadata"]["uid"], each["metadata"].get("generation"))
            for cache in self.templates.values()
            for name in (metadata["name"], metadata["uid"])
            for each in cache.find("name", name)
        ]
        return rivals, grant_of(template), self.namespaces.knowledge, self.namespaces.changes

    def naming(self, template: Object, revision: str) -> Iterator[Object]:
        """Yield the instances of a template that name a revision, or run it, wholly or in a deployment."""
        for instance in self.instances.find("revision", revision):
            if self._is_among(instance, template):
                yield instance

    def referring(self, template: Object) -> Iterator[Object]:
        """Yield the instances that refer to a template or are bound to it, shared with them or not."""
        namespace, name = key_of(template)
        for key in dict.fromkeys((name, template["metadata"]["uid"])):
            for instance in self.instances.find("template", key):
                if _may_mean(instance, namespace):
                    yield instance

    def sharing(self, grant: Grant, instance: Object) -> Sharing:
        """Return whether a template with this grant is shared with the namespace of an instance."""
        namespace = instance["metadata"].get("namespace", "")
        return grant.covers(namespace, None if grant.selector is None else self.labels_of(namespace))

    def labels_of(self, namespace: str) -> Mapping[str, str] | None:
        """Return the labels of a namespace, None where they are not known; part of `TemplateLookup`."""
        return self.namespaces.of(namespace)

    def awaits_labels(self, grant: Grant) -> bool:
        """Return whether labels that a template selects namespaces by are about to be read."""
        return grant.selector is not None and self.namespaces.is_awaited

    def is_of(self, instance: Object, template: Object) -> bool:
        """Return whether an instance runs a template, or is about to: whether it resolves to it.

        One from whose namespace the template was withdrawn does not.

        Parameters
        ----------
        instance, template
            As they are cached.
        """
        spec, bound = instance.get("spec"), (instance.get("status") or {}).get("template") or {}
        uid, spec = template["metadata"]["uid"], spec if isinstance(spec, Mapping) else {}
        wanted, kind = spec.get("model_template_id"), spec.get("model_template_kind")
        if not isinstance(wanted, str) or (
            bound.get("uid") == uid and kind is None and wanted in (template["metadata"]["name"], uid)
        ):
            # What cannot be read stays with the template that it is bound to.
            return bound.get("uid") == uid and self._still_has(instance, template)
        reference = TemplateReference(
            wanted,
            TemplateKind(kind) if kind in list(TemplateKind) else None,
            instance["metadata"].get("namespace", ""),
            str(bound.get("name") or ""),
            str(bound.get("uid") or ""),
            _template_namespace(instance),
        )
        found = resolve_reference(reference, self).usable
        return found is not None and found.resource.metadata.uid == uid

    def _still_has(self, instance: Object, template: Object) -> bool:
        """Return whether a template that an instance is bound to was not withdrawn from its namespace."""
        owner = template["metadata"].get("namespace", "")
        if not _may_mean(instance, owner):
            return False
        spec = template.get("spec")
        if isinstance(spec, dict) and "allowed_namespaces" not in spec:
            return owner in ("", instance["metadata"].get("namespace", ""))
        grant = self.compiled(template).grant
        return not grant.withdraws(self.sharing(grant, instance))

    def template_of(self, revision: Object) -> Object | None:
        """Return the template that a kept revision is of, if it exists."""
        namespace = revision["metadata"].get("namespace", "")
        return self.templates[template_kind(revision)].get(namespace, str(revision.get("template")))

    def revisions_in_use(self, template: Object) -> set[str]:
        """Return the hashes of the revisions of a template that an instance runs or is pinned to.

        That includes the revisions of its deployments that name their own, the stable one, and the one that
        is approved. Of an instance from which the template was withdrawn, it is what it runs alone.
        """
        uid, grant = template["metadata"]["uid"], grant_of(template)

        def read(instance: Object) -> frozenset[str] | None:
            if not self._is_among(instance, template):
                return None
            found = reported_revisions(instance)
            if not grant.withdraws(self.sharing(grant, instance)):
                found |= named_revisions(instance)
                # Without a status, as after a restore, only its Deployments have it.
                if not bound_template(instance.get("status")):
                    found |= self._applied_revisions(instance)
            return frozenset(found)

        used = self._used.values(uid, self.membership(template), lambda: self.referring(template), read)
        return self.revisions.held_of(uid).union(rollout_revisions(template), *set(used.values()))

    def _applied_revisions(self, instance: Object) -> set[str]:
        metadata = instance["metadata"]
        own = self.children_of_kind("Deployment", metadata.get("namespace", ""), metadata["uid"])
        return {annotated_revision(each) for each in own} - {""}

    def count_instances(self, template: Object) -> InstanceCounts:
        """Count the instances of a template, in the namespaces that it is shared with."""
        compiled, uid = self.compiled(template), template["metadata"]["uid"]
        latest = (self.revisions.latest(compiled) or compiled).version

        def read(instance: Object) -> InstanceCounts | None:
            is_bound = bound_template(instance.get("status")) == uid
            return (
                count_instances([instance], latest)
                if is_bound and self._still_has(instance, template)
                else None
            )

        basis = self.membership(template), latest
        found = self._counted.values(uid, basis, lambda: self.instances.find("template", uid), read)
        return sum_of(found.values())

    def _note_instance(self, old: Object | None, new: Object | None) -> None:
        self.changes.note(key_of(new or old or {}))

    def _note_child(self, old: Object | None, new: Object | None) -> None:
        if (new or old or {}).get("kind") != DEPLOYMENTS.kind:
            return
        for child in (old, new):
            key = None if child is None else instance_of_child(child)
            if key is not None:
                self.changes.note(key)

    def by_name(self, kind: TemplateKind, namespace: str, name: str) -> CompiledTemplate | None:
        """Return a template by name; part of :class:`~.TemplateLookup`."""
        namespace = namespace if kind is TemplateKind.MODEL_TEMPLATE else ""
        found = self.templates[kind].get(namespace, name)
        return self.compiled(found) if found else None

    def by_uid(self, uid: str) -> CompiledTemplate | None:
        """Return a template by uid; part of :class:`~.TemplateLookup`."""
        found = (cache.by_uid(uid) for cache in self.templates.values())
        return next((self.compiled(template) for template in found if template), None)

    def compiled(self, template: Object) -> CompiledTemplate:
        """Return a cached template in compiled form; compiled once per generation."""
        uid, generation = template["metadata"]["uid"], template["metadata"].get("generation", 0)
        known = self._compiled.get(uid)
        if known is None or known.resource.metadata.generation != generation:
            known = parse_template(template, self._free_domains)
            self._compiled[uid] = known
        return known

    def remember_dry_run(self, uid: str, tried: CachedDryRun) -> None:
        """Keep the result of a template's dry run, unless the template was deleted meanwhile."""
        if any(cache.by_uid(uid) for cache in self.templates.values()):
            self.dry_runs[uid] = tried

    def on_forgotten(self, forget: Callable[[str], None]) -> None:
        """Have a function called with the uid of each template that is deleted."""
        self._forgetting.append(forget)

    def forget_template(self, uid: str) -> None:
        """Drop the compiled form, the dry run and the rest that is known of a deleted template."""
        self._compiled.pop(uid, None)
        self.dry_runs.pop(uid, None)
        self.namespaces.note(uid, selects=False)
        self.revisions.forget_template(uid)
        for forget in self._forgetting:
            forget(uid)


def _may_mean(instance: Object, owner: str) -> bool:
    """Return whether an instance may refer to the templates of a namespace, or, if empty, of the cluster."""
    wanted = _template_namespace(instance)
    return owner == wanted if wanted else owner in ("", instance["metadata"].get("namespace", ""))


def _template_namespace(instance: Object) -> str:
    spec = instance.get("spec")
    named = spec.get("model_template_namespace") if isinstance(spec, dict) else None
    return named if isinstance(named, str) else ""


def _template_keys(instance: Object) -> list[str]:
    named = (instance.get("spec") or {}).get("model_template_id")
    return [key for key in (named, bound_template(instance.get("status"))) if key and isinstance(key, str)]


def _revision_keys(instance: Object) -> set[str]:
    return named_revisions(instance) | reported_revisions(instance)


def bound_template(status: Mapping[str, Any] | None) -> str | None:
    """Return the uid of the bound template in a ModelInstance's status."""
    uid = ((status or {}).get("template") or {}).get("uid")
    return str(uid) if uid else None


def _owner_keys(child: Object) -> list[OwnerKey]:
    key = controller_key(child)
    return [key] if key else []


def _owner_name_keys(child: Object) -> list[NamespacedName]:
    controller = controller_of(child)
    if controller is None or not is_instance(controller):
        return []
    return [(child["metadata"].get("namespace", ""), controller["name"])]


def instance_of_child(child: dict[str, Any]) -> NamespacedName | None:
    """Return the instance to reconcile when a child changes, by its controller or else by its label."""
    controller = controller_of(child)
    if controller is not None and is_instance(controller):
        return child["metadata"].get("namespace", ""), controller["name"]
    name = (child["metadata"].get("labels") or {}).get(INSTANCE_LABEL)
    return (child["metadata"].get("namespace", ""), name) if name else None
