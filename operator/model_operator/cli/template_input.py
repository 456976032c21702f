"""Reads the template of a command from files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from model_operator.cli.inputs import read_inputs
from model_operator.cli.settings import read_settings
from model_operator.cli.terminal import UNUSABLE, fail
from model_operator.core.offline.collection import DEFAULT_NAMESPACE, Manifest, collect
from model_operator.core.offline.findings import has_errors
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_template

_SHOWN = 10


def read_template(path: str, name: str | None, namespace: str = DEFAULT_NAMESPACE) -> CompiledTemplate:
    """Return a template without violations, or end the program.

    Parameters
    ----------
    path
        File or directory; ``-`` for standard input.
    name
        Its name, if there are several.
    namespace
        Namespace of a template whose file names none; empty to leave it without.
    """
    return _read(path, name, namespace)[1]


def read_manifest(path: str, name: str | None) -> Mapping[str, Any]:
    """Return a template without violations as an object, or end the program; parameters as above.

    It has a namespace only if its file says so, and no uid, as a file may be a copy from a cluster.
    """
    obj = _read(path, name, "")[0].obj
    metadata = {key: obj["metadata"][key] for key in ("name", "namespace") if obj["metadata"].get(key)}
    return {**obj, "metadata": metadata}


def _read(path: str, name: str | None, namespace: str) -> tuple[Manifest, CompiledTemplate]:
    collection = collect(read_inputs([path]).documents, namespace)
    found = [each for each in collection.templates if name in (None, each.identity[2])]
    if len(found) != 1:
        if has_errors(collection.findings) or (collection.findings and not collection.templates):
            fail(_some(collection.findings, "; "))
        names = _some([f"{each.kind} {each.identity[2]}" for each in found or collection.templates], ", ")
        wanted = "one template" if name is None else f"one template named {name}"
        hint = "; choose one with --name" if name is None and len(found) > 1 else ""
        fail(f"{path}: expected {wanted}, got {names or 'none'}{hint}")
    manifest = found[0]
    domains = read_settings(UNUSABLE).rendering.free_metadata_domains
    compiled = parse_template(manifest.obj, domains)
    if compiled.violations:
        fail(_some([manifest.finding(fault) for fault in compiled.violations], "; "))
    return manifest, compiled


def _some(things: Sequence[object], between: str) -> str:
    """Return the first things, and the number of the others."""
    shown = [*map(str, things[:_SHOWN])]
    more = len(things) - len(shown)
    return between.join([*shown, f"{more} more"] if more else shown)
