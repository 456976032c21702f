"""Captures Kubernetes' schemas of what the operator renders: ``python -m hack.kubernetes_schemas``.

An API server publishes them as OpenAPI v3. Kept is what the kinds of children need, without descriptions, as
JSON Schema in which unknown fields are refused and numbers have their bounds.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hack.build.go_toolchain import ToolsError
from hack.build.toolset import ensure_tools
from model_operator.kube.resources import CHILD_KINDS
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kube_api import KubeApi

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = Path(__file__).parents[1] / "operator" / "model_operator" / "cli" / "kubernetes-schemas.json.gz"
REFERENCE = "#/components/schemas/"
KEPT = (
    "type",
    "enum",
    "required",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
)
INT32 = {"minimum": -(2**31), "maximum": 2**31 - 1}


def capture(api: KubeApi) -> dict[str, Any]:
    """Give the schemas as the package holds them."""
    definitions: dict[str, Any] = {}
    kinds: dict[str, str] = {}
    for kind in CHILD_KINDS:
        root = "apis/" if kind.group else "api/"
        published = api.request("GET", f"/openapi/v3/{root}{kind.api_version}")["components"]["schemas"]
        wanted = {"group": kind.group, "version": kind.version, "kind": kind.kind}
        (name,) = [
            name
            for name, schema in published.items()
            if wanted in schema.get("x-kubernetes-group-version-kind", [])
        ]
        kinds[f"{kind.api_version} {kind.kind}"] = name
        missing = [name]
        while missing:
            name = missing.pop()
            if name not in definitions:
                definitions[name] = as_json_schema(published[name])
                missing += references(definitions[name])
    version = api.request("GET", "/version")["gitVersion"]
    return {"kubernetes": version, "kinds": kinds, "$defs": definitions}


def as_json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Give a published schema as JSON Schema, without what only people and other tools read."""
    result: dict[str, Any] = {key: schema[key] for key in KEPT if key in schema}
    if "$ref" in schema:
        return {"$ref": f"#/$defs/{schema['$ref'].removeprefix(REFERENCE)}"}
    if "allOf" in schema:
        (only,) = schema["allOf"]
        return {**result, **as_json_schema(only)}
    if "oneOf" in schema:
        result["oneOf"] = [{"type": branch["type"]} for branch in schema["oneOf"]]
    if schema.get("format") == "int32":
        result |= INT32
    if "items" in schema:
        result["items"] = as_json_schema(schema["items"])
    if "properties" in schema:
        result["properties"] = {name: as_json_schema(part) for name, part in schema["properties"].items()}
        result["additionalProperties"] = False
    if "additionalProperties" in schema:
        result["additionalProperties"] = as_json_schema(schema["additionalProperties"])
    return result


def references(schema: Any) -> Iterator[str]:
    """Yield the names that a schema refers to."""
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"].removeprefix("#/$defs/")
        for part in schema.values():
            yield from references(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from references(part)


def compressed(captured: dict[str, Any]) -> bytes:
    """Give the bytes of the file; the same for the same schemas."""
    text = json.dumps(captured, sort_keys=True, separators=(",", ":"))
    return gzip.compress(text.encode(), mtime=0)


def packaged() -> dict[str, Any]:
    """Give the schemas that the package holds."""
    held: dict[str, Any] = json.loads(gzip.decompress(FILE.read_bytes()))
    return held


def main() -> int:
    """Capture them from a control plane of its own."""
    try:
        ensure_tools()
    except ToolsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    with ControlPlane.start() as cluster:
        FILE.write_bytes(compressed(capture(KubeApi(cluster.kubeconfig))))
    print(f"Wrote {FILE.name}, {FILE.stat().st_size} bytes.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
