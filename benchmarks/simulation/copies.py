"""Copies of one instance and its children, as an API server has them: names, uids and hashes differ."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

from benchmarks import objects
from benchmarks.objects import BATCH_LABEL, BATCHES
from model_operator.core.objects.drift import APPLIED_HASH
from model_operator.core.rendering.render import render
from model_operator.core.templates.parsing import parse_instance, parse_template
from model_operator.core.values.json_reading import read_json
from model_operator.core.values.json_values import wire_json
from model_operator.kube.resources import DEPLOYMENTS, MODEL_INSTANCES, MODEL_TEMPLATES, SERVICES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmarks.objects import Object
    from model_operator.core.templates.compile import CompiledTemplate

COPIED = (MODEL_INSTANCES, DEPLOYMENTS, SERVICES)
_NAME = objects.names("model", 1)[0]
"""Of the instance that is copied, and of its children."""
_HASHES = 3
"""For each copy: of the Deployment, of the Service, of the pods."""
_LENGTH = 32
"""Of a hash."""


def write_hashes(sample: Mapping[str, Object], count: int, file: Path) -> None:
    """Write the hashes that the operator has recorded in the sample and in each copy.

    They depend on the name and on the uid of the instance, and are computed by rendering, ahead of the
    simulation and outside of its process.

    Raises
    ------
    LookupError
        When those of the sample are not in it: then the operator would write to all.
    """
    template, copies = parse_template(sample[MODEL_TEMPLATES.kind]), Copies(sample)
    first = hashes_of(sample[MODEL_INSTANCES.kind], template)
    whole = wire_json([sample[kind.kind] for kind in COPIED]).decode()
    if missing := [each for each in first if each not in whole]:
        raise LookupError(f"{len(missing)} hashes of the sample are not those of its rendering")
    with file.open("w") as output:
        output.write("".join(first))
        for number in range(count):
            instance = read_json(copies.item(MODEL_INSTANCES.kind, number))
            output.write("".join(hashes_of(instance, template)))


def hashes_of(obj: Object, template: CompiledTemplate) -> list[str]:
    """Give the hashes of an instance's Deployment, of its Service and of its pods."""
    instance, violations = parse_instance(obj)
    assert not violations
    (each,) = render(template, instance).deployments
    assert each.service is not None
    children = (each.deployment, each.service)
    hashes = [child.applied["metadata"]["annotations"][APPLIED_HASH] for child in children]
    return [*hashes, each.deployment.pod_revision]


class Copies:
    """Makes copies, each when it is wanted.

    Parameters
    ----------
    sample
        The objects of one instance by kind.
    hashes
        The file that `write_hashes` wrote; None to leave hashes as they are.
    """

    def __init__(self, sample: Mapping[str, Object], hashes: Path | None = None) -> None:
        self._whole = {kind.kind: wire_json(sample[kind.kind]).decode() for kind in COPIED}
        self._metadata = {
            kind.kind: wire_json({"metadata": sample[kind.kind]["metadata"]}).decode() for kind in COPIED
        }
        self._uids = [sample[kind.kind]["metadata"]["uid"] for kind in COPIED]
        self._hashes: mmap.mmap | None = None
        if hashes is not None:
            with hashes.open("rb") as opened:
                self._hashes = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
            self._first = self._record(0)

    def item(self, kind: str, number: int, *, metadata_only: bool = False) -> bytes:
        """Give a copy as an item of a list."""
        text = (self._metadata if metadata_only else self._whole)[kind]
        text = text.replace(_NAME, f"model-{number:05}")
        text = text.replace(f'"{BATCH_LABEL}":"0"', f'"{BATCH_LABEL}":"{number % BATCHES}"')
        for uid in self._uids:
            text = text.replace(uid, f"{number:08x}{uid[8:]}")
        if self._hashes is not None:
            for first, own in zip(self._first, self._record(number + 1), strict=True):
                text = text.replace(first, own)
        return text.encode()

    def _record(self, number: int) -> list[str]:
        """Give the hashes of the sample, 0, or of a copy."""
        assert self._hashes is not None
        begin = number * _HASHES * _LENGTH
        text = self._hashes[begin : begin + _HASHES * _LENGTH].decode()
        return [text[at : at + _LENGTH] for at in range(0, len(text), _LENGTH)]


_of_process: list[Copies] = []


def begin_process(sample: Mapping[str, Object], hashes: Path | None) -> None:
    """Prepare the process of `items_of_process`; the arguments are those of `Copies`."""
    _of_process[:] = [Copies(sample, hashes)]


def items_of_process(kind: str, numbers: range, *, metadata_only: bool) -> bytes:
    """Give copies as the items of a list, without its brackets."""
    (copies,) = _of_process
    return b",".join(copies.item(kind, number, metadata_only=metadata_only) for number in numbers)
