"""Writes the bill of materials of the operator's image: ``python -m hack.sbom FILE``.

CycloneDX, made by cyclonedx-py of ``requirements-runtime.lock``. The same lock gives the same bytes: there is
no time and no serial number in it. What cyclonedx-py cannot know of a dynamic project is put in: the version,
that all of it is what the operator depends on, and the image's base by its digest. The bill does not name the
packages of the base: nothing here can open it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from model_operator import __version__

REPOSITORY = Path(__file__).parents[1]
LOCK = REPOSITORY / "requirements-runtime.lock"
DOCKERFILE = REPOSITORY / "Dockerfile"
BASE = re.compile(r"^FROM (?P<name>[\w./-]+):(?P<tag>[\w.-]+)@sha256:(?P<digest>[0-9a-f]{64})", re.MULTILINE)
"""What the image is built on."""
PINNED = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)
"""Name and version of each package of a lock."""


def bill(lock: Path = LOCK, version: str = __version__) -> str:
    """Give the bill of a lock file, in CycloneDX's JSON."""
    words = ["requirements", str(lock), "--pyproject", str(REPOSITORY / "pyproject.toml")]
    done = subprocess.run(
        # It warns that the root has no dependencies, which it gets below.
        [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", *words, "--output-reproducible"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return json.dumps(completed(json.loads(done.stdout), version), indent=2, sort_keys=True) + "\n"


def completed(bom: dict[str, Any], version: str) -> dict[str, Any]:
    """Put in the version, the edges from the operator, and names that do not hang on the lock's lines."""
    for component in bom["components"]:
        component["bom-ref"] = component["purl"]
        del component["description"]  # the lock's line
    bom["components"].append(base_image(DOCKERFILE.read_text()))
    root = bom["metadata"]["component"] | {"version": version}
    bom["metadata"]["component"] = root
    references = sorted(component["bom-ref"] for component in bom["components"])
    bom["dependencies"] = [
        {"ref": root["bom-ref"], "dependsOn": references},
        *({"ref": reference} for reference in references),
    ]
    return bom


def base_image(dockerfile: str) -> dict[str, Any]:
    """Give the component for the one image that a Dockerfile builds on.

    Raises
    ------
    ValueError
        When it names none by digest, or several.
    """
    found = {match.groups() for match in BASE.finditer(dockerfile)}
    if len(found) != 1:
        raise ValueError(f"expected one base image with a digest in the Dockerfile, got {sorted(found)}")
    ((name, tag, digest),) = found
    where = f"repository_url=docker.io/library/{name}&tag={tag}"
    purl = f"pkg:oci/{name}@sha256%3A{digest}?{where}"
    return {
        "type": "container",
        "bom-ref": purl,
        "purl": purl,
        "name": name,
        "version": tag,
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }


def main(path: Path) -> None:
    """Write the bill to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(bill())
    print(f"wrote {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
