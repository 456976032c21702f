"""Container images without a container engine: Debian's buildah builds the Dockerfile that users build.

It runs as root in mount and process namespaces of its own, and nothing but the image's archive is left. No
registry is asked: what a Dockerfile builds on is made here (see `base_images`).
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hack.build.base_images import BASES, write_base
from hack.build.cache import cache_directory, exclusive
from hack.build.debian import debian_environment, debian_root
from hack.build.go_toolchain import ToolsError
from hack.build.pip_settings import pip_mounts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

BUILD_SECONDS = 1800.0
# buildah and what of its dependencies a small Debian lacks.
PACKAGES = (
    "buildah",
    "golang-github-containers-common",
    "golang-github-containers-image",
    "libassuan0",
    "libdevmapper1.02.1",
    "libgpg-error0",
    "libgpgme11",
    "libseccomp2",
)
# buildah starts itself again without our environment: its libraries are found by the loader's cache. Should
# we be killed, everything in the process namespace goes, and its mounts with it.
ISOLATED = ("unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "--mount-proc")
WITH_LIBRARIES = 'mount --bind "$1" /etc/ld.so.cache && shift && exec "$@"'


def build_image(context: Path, tag: str) -> Path:
    """Build ``Dockerfile`` in the folder `context`; give an archive that ``ctr images import`` takes.

    The archive is in the cache under a name that stands for everything it is made of. Parallel callers wait
    for the one that builds, and a build that was cut short is never used.

    Parameters
    ----------
    context
        Only what the Dockerfile's ``COPY`` instructions name counts, without ``__pycache__``.
    tag
        The image's full name, such as ``docker.io/modeloperator/embedding-server:0.1.0``.

    Raises
    ------
    ToolsError
        When images cannot be built on this machine, or the build fails.
    """
    images = cache_directory() / "images"
    name = re.sub(r"[^A-Za-z0-9.]+", "-", tag.rpartition("/")[2])
    archive = images / f"{name}-{image_key(context, tag)}.tar"
    waiting = f"Another process is building an image; waiting for it before building {tag}."
    with exclusive(images / "lock", waiting=None if archive.exists() else waiting):
        if not archive.exists():
            _require_root()
            started = time.monotonic()
            print(f"Building the image {tag} (once)…", flush=True)
            _build(context, tag, archive, [_base_archive(base_of(context), images)])
            print(f"Built in {time.monotonic() - started:.0f} s.", flush=True)
    return archive


def image_key(context: Path, tag: str) -> str:
    """Name the image that `context` gives, by all its inputs and the builder's."""
    digest = hashlib.sha256(f"{platform.machine()}\0{tag}\0{_builder_key()}".encode())
    for file in context_files(context):
        digest.update(f"\0{file.relative_to(context)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def context_files(context: Path) -> list[Path]:
    """Give the files that the Dockerfile in `context` copies, and itself, in a fixed order."""
    files = {context / "Dockerfile"}
    for words in _instructions(context, "COPY"):
        if any(word.startswith("--from=") for word in words):
            continue
        *sources, _ = [word for word in words if not word.startswith("--")]
        for path in (context / source for source in sources):
            found = path.rglob("*") if path.is_dir() else [path]
            files.update(file for file in found if file.is_file() and "__pycache__" not in file.parts)
    return sorted(files)


def base_of(context: Path) -> str:
    """Give the one image that all stages of the Dockerfile in `context` build on, without its digest.

    Raises
    ------
    ToolsError
        When it is none of `BASES`, or there is more than one.
    """
    found = {words[0].partition("@")[0] for words in _instructions(context, "FROM")}
    if len(found) != 1 or not found <= set(BASES):
        raise ToolsError(
            f"{context / 'Dockerfile'}: expected FROM {' or '.join(BASES)}, got {', '.join(sorted(found))}."
        )
    return found.pop()


def without_digests(dockerfile: str) -> str:
    """Return a Dockerfile's text with its base images by tag alone: a stand-in has no such digest."""
    return re.sub(r"^(FROM [^\s@]+)@sha256:[0-9a-f]{64}", r"\1", dockerfile, flags=re.MULTILINE)


def _instructions(context: Path, name: str) -> Iterator[list[str]]:
    """Give the words after each instruction `name` of the Dockerfile."""
    text = (context / "Dockerfile").read_text().replace("\\\n", " ")
    for line in text.splitlines():
        instruction, _, rest = line.partition(" ")
        if instruction == name:
            yield shlex.split(rest)


def _builder_key() -> str:
    """Name what builds, other than the context: our own code, which names the packages."""
    digest = hashlib.sha256()
    for module in ("images.py", "base_images.py", "pip_settings.py", "debian.py"):
        digest.update(Path(__file__).with_name(module).read_bytes())
    return digest.hexdigest()


def _require_root() -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        raise ToolsError("building images needs Linux and root (buildah mounts and changes owners).")


def _base_archive(base: str, images: Path) -> Path:
    """Give the archive of the stand-in for `base`, making it first if there is none."""
    archive = images / f"base-{re.sub('[^a-z0-9.]+', '-', base)}-{_builder_key()[:16]}.tar"
    if not archive.exists():
        context = images / "base-context"
        shutil.rmtree(context, ignore_errors=True)
        try:
            write_base(base, context)
            _build(context, f"docker.io/library/{base}", archive, [])
        finally:
            shutil.rmtree(context, ignore_errors=True)
    return archive


def _build(context: Path, tag: str, archive: Path, bases: Sequence[Path]) -> None:
    """Build `context` on the images in `bases`, and put the outcome at `archive` once it is whole."""
    work = archive.parent / "partial"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    work.chmod(0o700)  # pip's settings may hold a password
    try:
        buildah = _Buildah(work)
        for base in bases:
            buildah("pull", "--quiet", f"docker-archive:{base}")
        mounts = [part for mount in pip_mounts(work) for part in ("--volume", mount)]
        local = ("--isolation", "chroot", "--network", "host", "--pull-never", "--layers=false")
        dockerfile = work / "Dockerfile"
        dockerfile.write_text(without_digests((context / "Dockerfile").read_text()))
        buildah("build", *local, *mounts, "--tag", tag, "--file", str(dockerfile), str(context))
        buildah("push", "--quiet", tag, f"docker-archive:{work / 'image.tar'}:{tag}")
        (work / "image.tar").rename(archive)
    finally:
        shutil.rmtree(work, ignore_errors=True)


class _Buildah:
    """buildah with all its state in the folder `work`."""

    def __init__(self, work: Path) -> None:
        root = debian_root(PACKAGES, cache_directory())
        self._environment: Mapping[str, str] = os.environ | {
            "PATH": debian_environment(root)["PATH"],
            "CONTAINERS_CONF": os.devnull,
            "CONTAINERS_REGISTRIES_CONF": str(work / "registries.conf"),
            "CONTAINERS_STORAGE_CONF": str(work / "storage.conf"),
            "TMPDIR": str(work),
        }
        self._policy = work / "policy.json"
        self._storage = ("--root", str(work / "root"), "--runroot", str(work / "run"))
        self._libraries = work / "ld.so.cache"
        (work / "registries.conf").write_text('unqualified-search-registries = ["docker.io"]\n')
        (work / "storage.conf").write_text('[storage]\ndriver = "vfs"\n')
        # Signatures say who made an image; these are made here.
        self._policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        folders = debian_environment(root)["LD_LIBRARY_PATH"].split(os.pathsep)
        configuration = work / "ld.so.conf"
        configuration.write_text("\n".join([*folders, "include /etc/ld.so.conf"]) + "\n")
        self._run(["ldconfig", "-X", "-C", str(self._libraries), "-f", str(configuration)])

    def __call__(self, command: str, *arguments: str) -> None:
        """Run a command.

        Raises
        ------
        ToolsError
            When it fails; its last lines are printed before.
        """
        shell = (*ISOLATED, "sh", "-c", WITH_LIBRARIES, "sh", str(self._libraries))
        options = ("--signature-policy", str(self._policy))
        self._run([*shell, "buildah", *self._storage, "--storage-driver=vfs", command, *options, *arguments])

    def _run(self, command: Sequence[str]) -> None:
        try:
            done = subprocess.run(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=BUILD_SECONDS,
                check=False,
            )
        except FileNotFoundError as error:
            raise ToolsError(f"expected the program {command[0]}, found none on PATH.") from error
        except subprocess.TimeoutExpired as error:
            raise ToolsError(f"buildah did not end within {BUILD_SECONDS:g} s.") from error
        if done.returncode != 0:
            print("".join(done.stdout.splitlines(keepends=True)[-20:]), end="", flush=True)
            raise ToolsError(
                f"the image could not be built: {command[0]} ended with status {done.returncode}; "
                "its last lines are above."
            )
