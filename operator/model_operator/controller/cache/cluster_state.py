"""What the operator knows of the cluster: one cache a kind, and the templates ready to render."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from model_operator.api import TemplateKind
from model_operator.core.objects.kept_form import kept_form
from model_operator.core.objects.ownership import (
    INSTANCE_LABEL,
    OwnerKey,
    controller_key,
    controller_of,
    instance_key,
    is_instance,
)
from model_operator.core.planning.dry_run import DryRunResult
from model_operator.core.status.template_rollout import InstanceCounts, count_instances
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_template
from model_operator.kube.object_cache import NamespacedName, Object, ObjectCache, key_of
from model_operator.kube.resources import (
    CHILD_KINDS,
    CLUSTER_MODEL_TEMPLATES,
    MODEL_INSTANCES,
    MODEL_TEMPLATES,
    ResourceKind,
)


class CachedDryRun(NamedTuple):
    """What trying a template on the API server told.

    Attributes
    ----------
    generation
        That of the template that was tried.
    trial
        The outcome.
    time
        When that was, in seconds from any start.
    """

    generation: int
    result: DryRunResult
    time: float


class ClusterState:
    """The caches of all kinds.

    Attributes
    ----------
    instances
        ModelInstances.
    templates
        Templates by kind.
    children
        Deployments and Services with our label, by kind.
    trials
        The last trial of each template, by uid.
    """

    def __init__(self) -> None:
        self.instances = ObjectCache(form=kept_form, template=_template_keys)
        self.templates = {kind: ObjectCache(form=kept_form) for kind in TemplateKind}
        self.children = {
            kind.kind: ObjectCache(is_typed=True, owner=_owner_keys, namesake=_owner_name_keys)
            for kind in CHILD_KINDS
        }
        self.dry_runs: dict[str, CachedDryRun] = {}
        self._compiled: dict[str, CompiledTemplate] = {}

    def cache_of(self, kind: ResourceKind) -> ObjectCache:
        """Return the cache of a kind."""
        if kind is MODEL_INSTANCES:
            return self.instances
        if kind in (MODEL_TEMPLATES, CLUSTER_MODEL_TEMPLATES):
            return self.templates[TemplateKind(kind.kind)]
        return self.children[kind.kind]

    def children_of(self, namespace: str, uid: str) -> list[Object]:
        """Return the children, of all kinds, that the instance of that namespace and uid controls."""
        return [child for kind in self.children for child in self.children_of_kind(kind, namespace, uid)]

    def children_of_kind(self, kind: str, namespace: str, uid: str) -> list[Object]:
        """Return the children of one kind that the instance of that namespace and uid controls."""
        return self.children[kind].find("owner", instance_key(namespace, uid))

    def children_of_deleted_owners(self, namespace: str, name: str, uid: str | None) -> list[Object]:
        """Return the children that instances of a name control, but not those of that uid."""
        own = None if uid is None else instance_key(namespace, uid)
        return [
            child
            for cache in self.children.values()
            for child in cache.find("namesake", (namespace, name))
            if controller_key(child) != own
        ]

    def names_without_instance(self) -> set[NamespacedName]:
        """Return the names of instances that are not there and have children all the same."""
        names = {instance_of_child(child) for cache in self.children.values() for child in cache}
        return {name for name in names if name is not None and self.instances.get(*name) is None}

    def instances_of(self, template: Object) -> Iterator[NamespacedName]:
        """Yield the instances that name a template, by name or uid, or are bound to it."""
        namespace, name = key_of(template)
        for key in dict.fromkeys((name, template["metadata"]["uid"])):
            for instance in self.instances.find("template", key):
                found = key_of(instance)
                if namespace in ("", found[0]):
                    yield found

    def count_instances(self, template: Object) -> InstanceCounts:
        """Count the instances of a template; one of a namespace has none in another."""
        namespace, uid = key_of(template)[0], template["metadata"]["uid"]
        instances = (
            each
            for each in self.instances.find("template", uid)
            if namespace in ("", each["metadata"].get("namespace", ""))
        )
        return count_instances(instances, uid, template["metadata"].get("generation", 0))

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
        """Return a cached template ready to render; compiled once for each generation."""
        uid, generation = template["metadata"]["uid"], template["metadata"].get("generation", 0)
        known = self._compiled.get(uid)
        if known is None or known.resource.metadata.generation != generation:
            known = parse_template(template)
            self._compiled[uid] = known
        return known

    def remember_dry_run(self, uid: str, tried: CachedDryRun) -> None:
        """Keep what trying a template has told, unless it has gone meanwhile."""
        if any(cache.by_uid(uid) for cache in self.templates.values()):
            self.dry_runs[uid] = tried

    def forget_template(self, uid: str) -> None:
        """Drop what was compiled and tried of a template that is gone."""
        self._compiled.pop(uid, None)
        self.dry_runs.pop(uid, None)


def _template_keys(instance: Object) -> list[str]:
    named = (instance.get("spec") or {}).get("model_template_id")
    return [key for key in (named, bound_template(instance.get("status"))) if key and isinstance(key, str)]


def bound_template(status: Mapping[str, Any] | None) -> str | None:
    """Return the uid of the template that a ModelInstance's status says it is bound to."""
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
    """Return the instance to look at when a child changes: its controller's name, else its label's."""
    controller = controller_of(child)
    if controller is not None and is_instance(controller):
        return child["metadata"].get("namespace", ""), controller["name"]
    name = (child["metadata"].get("labels") or {}).get(INSTANCE_LABEL)
    return (child["metadata"].get("namespace", ""), name) if name else None
