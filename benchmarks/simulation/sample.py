"""One instance as a real API server has it: what the simulation multiplies, and how large each object is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks import objects
from benchmarks.objects import NAMESPACE
from benchmarks.scenarios import Bench
from model_operator.core.values.json_reading import read_json
from model_operator.core.values.json_values import wire_json

if TYPE_CHECKING:
    from benchmarks.objects import Object

_PATHS = {
    "ModelTemplate": objects.TEMPLATES,
    "ModelTemplateRevision": objects.REVISIONS,
    "ModelInstance": objects.INSTANCES,
    "Deployment": objects.DEPLOYMENTS,
    "Service": objects.SERVICES,
}
_BUILT_IN = ("Deployment", "Service")
"""Kinds that the API server stores as protobuf; others are stored as JSON."""
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_PROTOBUF = "application/vnd.kubernetes.protobuf"


class Sample(NamedTuple):
    """The objects of one instance that is Ready, and of its template.

    Attributes
    ----------
    objects
        By kind, as an item of a list.
    bytes
        By kind: ``json``, in a list; ``metadata``, in a list of metadata only; ``stored``, in etcd, without
        its key.
    """

    objects: dict[str, Object]
    bytes: dict[str, dict[str, int]]


class _Source(Bench):
    """A control plane with an operator and one instance."""

    def __init__(self) -> None:
        super().__init__(1, singles=0)

    async def sample(self) -> Sample:
        """Create the instance, and take what is there when it is Ready and the operator rests."""
        found: dict[str, Object] = {}
        sizes: dict[str, dict[str, int]] = {}

        async def act() -> None:
            await self._create()
            await self._between()
            for kind, path in _PATHS.items():
                (found[kind],) = (await self._list(path, "application/json"))["items"]
                (metadata,) = (await self._list(path, _METADATA))["items"]
                size = len(wire_json(found[kind]))
                stored = await self._stored(path, found[kind]) if kind in _BUILT_IN else size
                sizes[kind] = {"json": size, "metadata": len(wire_json(metadata)), "stored": stored}

        await self._watching(act)
        return Sample(found, sizes)

    async def _list(self, path: str, accept: str) -> Any:
        return read_json(await self._get(path.format(namespace=NAMESPACE), accept))

    async def _stored(self, path: str, obj: Object) -> int:
        one = f"{path.format(namespace=NAMESPACE)}/{obj['metadata']['name']}"
        return len(await self._get(one, _PROTOBUF))

    async def _get(self, path: str, accept: str) -> bytes:
        url = self._client.server + path
        async with self._client.session.get(url, headers={"Accept": accept}) as response:
            response.raise_for_status()
            return await response.read()


async def take_sample() -> Sample:
    """Give the objects of one instance, from a control plane of its own."""
    async with _Source() as source:
        return await source.sample()
