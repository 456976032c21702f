"""Storing the revisions of templates before instances run them, and deleting those that nothing uses."""

from __future__ import annotations

from typing import Any

import structlog

from model_operator.api import TemplateKind
from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.core.planning.dry_run import DryRunResult
from model_operator.core.reasons.reasons import Reason
from model_operator.core.reasons.refusals import Failure, explain_refusal, is_namespace_terminating
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.revisions.kept import HISTORY_LIMIT, collectable
from model_operator.core.templates.revisions.objects import revision_object
from model_operator.kube.client import ApiClient, Object
from model_operator.kube.errors import ApiError, ApiUnavailableError, ConflictError, NotFoundError
from model_operator.kube.resources import (
    CLUSTER_MODEL_TEMPLATE_REVISIONS,
    MODEL_TEMPLATE_REVISIONS,
    ResourceKind,
)

log = structlog.get_logger(__name__)

_KINDS = {
    TemplateKind.MODEL_TEMPLATE: MODEL_TEMPLATE_REVISIONS,
    TemplateKind.CLUSTER_MODEL_TEMPLATE: CLUSTER_MODEL_TEMPLATE_REVISIONS,
}


class RevisionKeeper:
    """Creates and deletes the revisions of templates.

    Parameters
    ----------
    client, state
        Requests and caches; responses to writes are put there at once.
    """

    def __init__(self, client: ApiClient, state: ClusterState) -> None:
        self._client = client
        self._state = state

    async def store(
        self, obj: dict[str, Any], template: CompiledTemplate, result: DryRunResult
    ) -> Failure | None:
        """Store the revision of what a template specifies now, if instances may run it.

        A template with violations gets none, nor does one that a dry run has rejected: its instances go on
        with the last stored revision. Where there is none yet, they may as well try it: each reports what is
        rejected.

        Parameters
        ----------
        obj, template
            The template as it is cached, and compiled.
        result
            The result of its dry run.

        Returns
        -------
        Failure or None
            Why the revision could not be stored, which the instances without one report.

        Raises
        ------
        ApiError
            When there was no definite answer, or the namespace is being deleted.
        """
        revisions, kind = self._state.revisions, TemplateKind(obj["kind"])
        failure = None
        if (
            revisions.stores(kind)
            and not template.violations
            and not revisions.has_current(template)
            and not (result.refusal and revisions.latest(template) is not None)
        ):
            failure = await self._create(_KINDS[kind], obj, template)
        revisions.note(obj["metadata"]["uid"], failure)
        return failure

    async def _create(
        self, kind: ResourceKind, obj: dict[str, Any], template: CompiledTemplate
    ) -> Failure | None:
        revisions = self._state.revisions
        wanted = revision_object(obj, revisions.next_number(template))
        name = wanted["metadata"]["name"]
        try:
            created = await self._client.create(kind, wanted)
            log.info("revision stored", revision=name, number=wanted["spec"]["number"])
        except ConflictError as conflict:
            created = await self._existing(kind, obj, name, conflict)
        except ApiUnavailableError:
            raise
        except ApiError as error:
            if is_namespace_terminating(error.code, error.status):
                raise
            log.warning("revision refused", revision=name, code=error.code)
            return explain_refusal(error.code, error.status, f"create {kind.kind} {name}")
        self._state.cache_of(kind).put({**created, "kind": kind.kind, "apiVersion": kind.api_version})
        if revisions.has_current(template):
            return None
        detail = f"{kind.kind} {name} already exists with another content than its name says; delete it."
        return Failure(Reason.NameConflict, detail, obstacle=created["metadata"]["uid"])

    async def _existing(
        self, kind: ResourceKind, obj: dict[str, Any], name: str, conflict: ConflictError
    ) -> Object:
        try:
            return await self._client.get(kind, obj["metadata"].get("namespace", ""), name)
        except NotFoundError:
            # Deleted meanwhile, or the conflict was about something else, such as a quota.
            raise conflict from None

    async def collect(self, obj: dict[str, Any], template: CompiledTemplate) -> None:
        """Delete the revisions of a template that nothing uses, beyond those that its history keeps.

        Parameters
        ----------
        obj, template
            The template as it is cached, and compiled.
        """
        revisions, kind = self._state.revisions, TemplateKind(obj["kind"])
        # Of a template that cannot be read, the limit is unknown.
        if template.resource.spec is None or not revisions.stores(kind):
            return
        known, limit = revisions.of(template), template.resource.spec.revision_history_limit
        limit = HISTORY_LIMIT if limit is None else limit
        if len(known) <= limit:
            return
        latest = revisions.latest(template)
        in_use = self._state.revisions_in_use(obj) | {template.revision}
        if latest is not None:
            in_use.add(latest.revision)
        for each in collectable(known, obj["metadata"]["uid"], in_use, limit):
            metadata, name = each["metadata"], each["metadata"]["name"]
            try:
                await self._client.delete(
                    _KINDS[kind],
                    metadata.get("namespace", ""),
                    name,
                    metadata["uid"],
                    metadata["resourceVersion"],
                )
            except (NotFoundError, ConflictError):
                continue  # Its watch event follows.
            except ApiError as error:
                log.warning("revision not deleted", revision=name, code=error.code)
                return
            log.info("revision deleted", revision=name)
            self._state.cache_of(_KINDS[kind]).remove(dict(each))
            revisions.forget_revision(metadata["uid"])
