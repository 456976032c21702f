"""Queries to a cluster: a few reads each, with helpful messages when one is refused."""

from __future__ import annotations

import asyncio
import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, Unpack

from model_operator.api import TemplateKind
from model_operator.cli.plugin.queries import QueryError
from model_operator.core.diagnosis.deployment_pods import group_pods
from model_operator.core.diagnosis.pod_events import (
    EVENT_REQUESTS,
    EVENTS_PER_PAGE,
    Event,
    events_of_claim,
    events_of_pod,
    kept_event,
)
from model_operator.core.inspection.facts import Facts, name_of
from model_operator.core.inspection.listings import TemplateReference
from model_operator.core.objects.ownership import INSTANCE_LABEL
from model_operator.core.templates.sharing import Sharing, grant_of
from model_operator.kube.client import ApiClient, Object, Selection
from model_operator.kube.errors import (
    ApiError,
    ApiUnavailableError,
    ForbiddenError,
    NotFoundError,
)
from model_operator.kube.resources import (
    CLAIMS,
    CLUSTER_MODEL_TEMPLATE_REVISIONS,
    CLUSTER_MODEL_TEMPLATES,
    DEPLOYMENTS,
    MODEL_INSTANCES,
    MODEL_TEMPLATES,
    NAMESPACES,
    POD_EVENTS,
    PODS,
    REPLICA_SETS,
    ROLE_BINDINGS,
    ROLES,
    SECRETS,
    ResourceKind,
)

_UNAUTHENTICATED = 401
_EVENTS_OF = 5
"""Number of pods whose Events are read, when their status does not show the cause; as in the operator."""
_NAMES_SHOWN = 5
_READING = frozenset({"get", "list", "watch"})
_OF_CLUSTER_TEMPLATES = frozenset({CLUSTER_MODEL_TEMPLATES, CLUSTER_MODEL_TEMPLATE_REVISIONS})
_NOT_FOR_VIEWERS = frozenset({SECRETS, ROLES, ROLE_BINDINGS})
_USER = re.compile(r'User "([^"]+)"')
_KIND = {
    TemplateKind.MODEL_TEMPLATE: MODEL_TEMPLATES,
    TemplateKind.CLUSTER_MODEL_TEMPLATE: CLUSTER_MODEL_TEMPLATES,
}


class Cluster:
    """The queries of the plugin's commands. All methods raise :class:`QueryError`.

    Parameters
    ----------
    client
        The API client.
    namespace
        The namespace of the queries.
    server
        URL of the API server, for messages.
    """

    def __init__(self, client: ApiClient, namespace: str, server: str) -> None:
        self.client = client
        self.namespace = namespace
        self._server = server

    def in_namespace(self, namespace: str) -> Cluster:
        """Return the same cluster with another namespace of the queries."""
        return Cluster(self.client, namespace, self._server)

    @contextmanager
    def query_errors(self, verb: str, kind: ResourceKind, namespace: str = "") -> Iterator[None]:
        """Turn the errors of a request into messages for the user.

        Parameters
        ----------
        verb, kind, namespace
            The permission that the request needs; without a namespace, in the whole cluster.
        """
        try:
            yield
        except ForbiddenError as error:
            raise QueryError(_missing_right(error, verb, kind, namespace)) from error
        except NotFoundError as error:
            raise QueryError(_not_found(error, kind)) from error
        except ApiUnavailableError as error:
            said = error.status.get("message") or f"HTTP {error.code}"
            raise QueryError(f"the cluster at {self._server} does not respond: {said}") from error
        except ApiError as error:
            raise QueryError(f"the cluster at {self._server} refused the request: {error}") from error

    async def all(
        self, kind: ResourceKind, namespace: str = "", **selection: Unpack[Selection]
    ) -> list[Object]:
        """Return the objects of a kind in a namespace; by default in all."""
        with self.query_errors("list", kind, namespace if kind.namespaced else ""):
            return [each async for each in self.client.list(kind, namespace, **selection)]

    async def instance(self, name: str) -> Object:
        """Return an instance; if it does not exist, the error suggests others."""
        try:
            with self.query_errors("get", MODEL_INSTANCES, self.namespace):
                found = await self.client.get(MODEL_INSTANCES, self.namespace, name)
        except QueryError as error:
            if isinstance(error.__cause__, NotFoundError) and _is_about_object(error.__cause__):
                raise QueryError(await self.no_instance(name)) from error
            raise
        return found

    async def no_instance(self, name: str) -> str:
        """Return a message that the instance does not exist, with suggestions."""
        message = f"there is no ModelInstance {name} in namespace {self.namespace}"
        with suppress(QueryError):
            fields = f"metadata.name={name}"
            elsewhere = await self.all(MODEL_INSTANCES, metadata_only=True, fields=fields)
            places = sorted(each["metadata"]["namespace"] for each in elsewhere)
            if places:
                return f"{message}; there is one in namespace {' and in '.join(places[:_NAMES_SHOWN])}"
        with suppress(QueryError):
            known = await self.all(MODEL_INSTANCES, self.namespace, metadata_only=True)
            message += _instead(name, sorted(map(name_of, known)))
        return message

    async def template_of(self, instance: Mapping[str, Any]) -> Object | None:
        """Return the template with the name and kind of an instance's bound one; None if it is unreadable."""
        bound = (instance.get("status") or {}).get("template")
        if not bound:
            return None
        kind = _KIND[TemplateKind(bound["kind"])]
        # Statuses of earlier versions have no namespace: it is the instance's.
        place = bound.get("namespace") or self.namespace if kind.namespaced else ""
        try:
            with self.query_errors("get", kind, place):
                return await self.client.get(kind, place, bound["name"])
        except QueryError as error:
            if isinstance(error.__cause__, (ForbiddenError, NotFoundError)):
                return None
            raise

    async def templates(self, namespace: str) -> tuple[list[Object], str]:
        """Return all readable templates, and why ClusterModelTemplates are not readable, if so.

        Parameters
        ----------
        namespace
            Namespace of the ModelTemplates; empty means all.
        """
        found = await self.all(MODEL_TEMPLATES, namespace)
        try:
            return found + await self.all(CLUSTER_MODEL_TEMPLATES), ""
        except QueryError as error:
            if isinstance(error.__cause__, (ForbiddenError, NotFoundError)):
                return found, str(error)
            raise

    async def usable(self, templates: Sequence[Object]) -> list[Object]:
        """Return templates without the ClusterModelTemplates that are surely not shared with the namespace.

        Its labels are read if a template is shared by labels; where they are not readable, that one stays.
        """
        grants = [grant_of(each) for each in templates]
        labels: Mapping[str, str] | None = None
        if any(grant.selector is not None for grant in grants):
            with suppress(QueryError), self.query_errors("get", NAMESPACES, ""):
                read = await self.client.get(NAMESPACES, "", self.namespace)
                labels = read["metadata"].get("labels") or {}
        return [
            template
            for template, grant in zip(templates, grants, strict=True)
            if grant.owner or grant.covers(self.namespace, labels) is not Sharing.NOT_SHARED
        ]

    async def facts(self, name: str) -> Facts:
        """Return an instance with its objects."""
        instance = await self.instance(name)
        labels = of_instance(name)
        deployments, sets, pods = await asyncio.gather(
            self.all(DEPLOYMENTS, self.namespace, labels=labels),
            self.all(REPLICA_SETS, self.namespace, labels=labels, metadata_only=True),
            self.all(PODS, self.namespace, labels=labels),
        )
        return await self.completed(Facts(instance, deployments, sets, pods))

    async def completed(self, facts: Facts) -> Facts:
        """Add the template, and what shows why pods are not ready where their status does not."""
        workers = [
            group_pods(deployment, facts.replica_sets, facts.pods) for deployment in facts.own_deployments()
        ]
        events: dict[str, list[Event]] = {}
        for uid in [uid for each in workers for uid in each.unclear][:_EVENTS_OF]:
            events[uid] = await self._events(events_of_pod(uid))
        claims: dict[str, Object] = {}
        claim_events: dict[str, list[Event]] = {}
        for name in [name for each in workers for name in each.claims][:_EVENTS_OF]:
            # Without the permission to list claims, the scheduler's message remains.
            with suppress(QueryError):
                for claim in await self.all(CLAIMS, self.namespace, fields=f"metadata.name={name}"):
                    claims[name] = claim
                    claim_events[name] = await self._events(events_of_claim(name))
        template = await self.template_of(facts.instance)
        return replace(facts, events=events, claims=claims, claim_events=claim_events, template=template)

    async def _events(self, fields: str) -> list[Event]:
        found = await self.all(
            POD_EVENTS, self.namespace, fields=fields, page=EVENTS_PER_PAGE, requests=EVENT_REQUESTS
        )
        return [kept_event(each) for each in found]


def no_template(reference: TemplateReference, readable: Sequence[Object]) -> str:
    """Return a message that the template is not among the readable ones, with suggestions."""
    names = sorted({name_of(each) for each in readable})
    return f"there is no {reference}{_instead(reference.name, names)}"


def of_instance(name: str) -> str:
    """Return the label selector of the objects of an instance."""
    return f"{INSTANCE_LABEL}={name}"


def _missing_right(error: ForbiddenError, verb: str, kind: ResourceKind, namespace: str) -> str:
    if error.code == _UNAUTHENTICATED:
        return (
            "the cluster does not accept the credentials of the kubeconfig (401 Unauthorized): log in again"
        )
    user = _USER.search(str(error.status.get("message") or ""))
    who = f"user {user[1]}" if user else "you"
    where = f"in namespace {namespace}" if namespace else "in the whole cluster"
    is_for_viewers = verb in _READING and kind not in _NOT_FOR_VIEWERS
    role = "view" if is_for_viewers else "admin"
    if kind in _OF_CLUSTER_TEMPLATES:
        # A role in a namespace grants nothing on them.
        role = f"model-operator-cluster-templates-{'view' if is_for_viewers else 'edit'}"
    return f"{who} cannot {verb} {kind} {where}; the ClusterRole {role} grants that permission"


def _not_found(error: NotFoundError, kind: ResourceKind) -> str:
    if _is_about_object(error):
        return str(error)
    return f"the cluster has no {kind}: the CRDs of model-operator are not installed, or not served yet"


def _is_about_object(error: NotFoundError) -> bool:
    """Return whether an object is missing and not its kind: only then does the server name it."""
    return bool((error.status.get("details") or {}).get("name"))


def _instead(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        return f"; did you mean {' or '.join(near)}?"
    if not names:
        return "; there are none"
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"; known: {', '.join(names[:_NAMES_SHOWN])}{more}"
