"""What the gateway knows of instances, templates and namespaces, for lists and identifiers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeVar

from model_operator.core.gateway.rest.accounts import Accounts
from model_operator.core.gateway.rest.deployment_answers import deployment_answers
from model_operator.core.gateway.rest.list_walks import ListWalks
from model_operator.core.gateway.rest.record_form import Record, template_reference
from model_operator.core.gateway.rest.records import Records
from model_operator.core.gateway.rest.template_table import TemplateTable, key_of
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.resolution import resolve_reference
from model_operator.kube.object_cache import version_of

_AT_ONCE: Final = 100
"""Instances that are read without a turn for other requests."""

Found = TypeVar("Found")
Object = dict[str, Any]


class RestTables:
    """Tables that the informers fill, and the answers of the gateway's own writes.

    Parameters
    ----------
    clock
        Seconds from any start.
    namespaces
        The only namespaces that are accounts; all of the cluster when empty.
    """

    def __init__(self, clock: Callable[[], float], namespaces: Collection[str] = ()) -> None:
        self._namespaces = frozenset(namespaces)
        self.records = Records(lambda instance: deployment_answers(instance, "", None))
        self.walks = ListWalks(clock)
        self.accounts = Accounts()
        self.templates = TemplateTable()
        for namespace in self._namespaces:
            # They may not be watched, for lack of permission.
            self.accounts.put({"metadata": {"name": namespace}})
        self._waiting: set[asyncio.Future[None]] = set()

    def put_instance(self, instance: Mapping[str, Any]) -> None:
        """Take a version of an instance; one that is being deleted does not exist for the API."""
        metadata = instance["metadata"]
        if metadata.get("deletionTimestamp"):
            self.records.remove(
                metadata["namespace"], metadata["name"], metadata["uid"], version_of(dict(instance))
            )
        else:
            self.records.put(dict(instance))
        self._wake()

    def deleted_instance(self, instance: Object) -> None:
        """Forget an instance that the API server has accepted the deletion of."""
        metadata = instance["metadata"]
        # In all its versions: the operator may have reported a status after the instance was read.
        self.records.remove(metadata["namespace"], metadata["name"], metadata["uid"])
        self._wake()

    def remove_instance(self, namespace: str, name: str, version: int) -> None:
        """Forget an instance as of a version; a newer one of that name stays."""
        self.records.remove(namespace, name, version=version)
        self._wake()

    def put_template(self, template: Mapping[str, Any]) -> None:
        """Take a version of a template; one that is being deleted does not exist for the API."""
        metadata = template["metadata"]
        if metadata.get("deletionTimestamp"):
            self.templates.remove(*key_of(dict(template)), version_of(dict(template)))
        else:
            self.templates.put(dict(template))
        self._wake()

    def remove_template(self, kind: str, namespace: str, name: str, version: int) -> None:
        """Forget a template as of a version; a newer one of that name stays."""
        self.templates.remove(kind, namespace, name, version)
        self._wake()

    def put_namespace(self, namespace: Mapping[str, Any]) -> None:
        """Take a version of a namespace, of which the metadata is enough."""
        if not self.may_be_account(namespace["metadata"]["name"]):
            return
        self.accounts.put(dict(namespace))
        metadata = namespace["metadata"]
        self.templates.put_labels(metadata["name"], metadata.get("labels") or {})
        self._wake()

    def remove_namespace(self, _: str, name: str, _version: int) -> None:
        """Forget a namespace."""
        self.accounts.remove(name)
        self.templates.remove_labels(name)
        self._wake()

    def may_be_account(self, namespace: str) -> bool:
        """Return whether a namespace, known or not, can be an account of this gateway."""
        return not self._namespaces or namespace in self._namespaces

    def template_of(self, instance: Object) -> CompiledTemplate | None:
        """Return the template of an instance; None if it has none, or none that is known and shared."""
        return resolve_reference(template_reference(instance), self.templates).usable

    def model_type_of(self, record: Record) -> str | None:
        """Return the type of a model whose specification leaves it to the template."""
        template = resolve_reference(record.template, self.templates).usable
        return None if template is None or template.violations else template.resource.spec.model_type.value

    def account_of(self, instance: Object) -> str:
        """Return the account that owns an instance or a template."""
        namespace = instance["metadata"].get("namespace", "")
        return str(self.accounts.account_of(namespace, instance.get("spec", {}).get("account_id")))

    async def users_of(self, template: Object) -> list[Record]:
        """Return the instances that use a template; the caller may not be allowed to see them."""
        metadata = template["metadata"]
        uid, namespace = metadata["uid"], metadata.get("namespace", "")
        candidates = [
            record
            for record in self.records.in_order()
            if namespace in ("", record.template.template_namespace or record.namespace)
            and record.spec("model_template_id") in (metadata["name"], uid)
        ]
        users = []
        for number, record in enumerate(candidates, 1):
            used = resolve_reference(record.template, self.templates).template
            if used is not None and used.resource.metadata.uid == uid:
                users.append(record)
            if number % _AT_ONCE == 0:
                # Of 10,000 instances, with calls to models beside them.
                await asyncio.sleep(0)
        return users

    async def until(self, find: Callable[[], Found | None], seconds: float) -> Found | None:
        """Return what is found now or within a time, while the watches bring changes.

        Parameters
        ----------
        find
            Returns what is looked for, or None.
        seconds
            The time.
        """
        found = find()
        if found is not None:
            return found
        try:
            async with asyncio.timeout(seconds):
                while found is None:
                    await self._change()
                    found = find()
        except TimeoutError:
            return None
        return found

    async def _change(self) -> None:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            await waiting
        finally:
            self._waiting.discard(waiting)

    def _wake(self) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        self._waiting.clear()
