"""Files of Debian packages without installing them: programs for this host, and the files of a small system.

Nothing on the host changes. The host's apt configuration says where packages come from; fresh package lists,
where they are needed, go into a folder that lives as long as the download.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hack.build.cache import exclusive
from hack.build.go_toolchain import ToolsError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

APT_SECONDS = 600.0
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SUITES = ("oldstable", "stable", "testing", "unstable")
# Debian's merged /usr: packages of different ages say /lib or /usr/lib and mean the same folder.
MERGED = ("bin", "lib", "lib64", "sbin")
# What the host does after an update is about the host's lists, not about ours.
NO_HOOKS = """\
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
"""


def debian_root(packages: Collection[str], cache: Path) -> Path:
    """Give a folder with the files of `packages`, downloading them first if `cache` has no such folder.

    Maintainer scripts do not run, and dependencies are not followed: `packages` names all that the host
    may lack. Run the programs with `debian_environment`.

    Parameters
    ----------
    packages
        Names of packages of the host's release, ``name=version`` to have one version.
    cache
        Parallel callers wait for the one that downloads, and a download that was cut short is never used.

    Raises
    ------
    ToolsError
        When this is no Debian, or a package cannot be had.
    """
    directory = cache / f"debian-{root_key(packages)}"
    waiting = f"Another process is downloading Debian packages ({' '.join(packages)}); waiting for it."
    with exclusive(cache / "debian.lock", waiting=None if directory.exists() else waiting):
        if not directory.exists():
            _require_debian()
            print(f"Downloading Debian packages into {directory} (once): {' '.join(packages)}.", flush=True)
            partial = cache / "debian-partial"
            shutil.rmtree(partial, ignore_errors=True)
            _fill(partial, packages)
            partial.rename(directory)
    return directory


def debian_system(suite: str, packages: Collection[str], root: Path) -> None:
    """Unpack `packages` of the Debian release `suite`, and all that they depend on, into a new folder `root`.

    The mirror is the host's. Maintainer scripts do not run: what they would make is the caller's to make.

    Raises
    ------
    ToolsError
        When this is no Debian, or a package cannot be had.
    """
    _require_debian()
    with tempfile.TemporaryDirectory(prefix="model-operator-debian-") as temporary:
        apt = Path(temporary, "apt")
        options = _private_lists(apt)
        (apt / "status").touch()  # no package is installed there
        (apt / "sources.list").write_text(f"deb [signed-by={KEYRING}] {_mirror()} {suite} main\n")
        options += _options(
            {
                "Dir::State::Status": apt / "status",
                "Dir::Etc::SourceList": apt / "sources.list",
                "Dir::Etc::SourceParts": "/dev/null",
                "Debug::NoLocking": 1,
            }
        )
        install = ("install", "--yes", "--no-install-recommends", "--download-only", *packages)
        for command in (("update",), install):
            done = _apt(apt, (*options, *command))
            if done.returncode != 0:
                said = (done.stderr.strip() or "apt-get said nothing").splitlines()[-1]
                raise ToolsError(f"apt-get could not {command[0]} packages of Debian {suite} ({said}).")
        _unpack_all(apt / "cache" / "archives", root)


def debian_environment(root: Path) -> dict[str, str]:
    """Give the variables with which programs below `root` find each other and their libraries.

    A package's private libraries are in a folder of their own, such as ``pulseaudio``, below the shared
    ones; the libraries that need them name that folder by its path on an installed system.
    """
    programs = [str(root / "usr" / folder) for folder in ("local/sbin", "sbin", "bin")]
    shared = sorted((root / "usr" / "lib").glob("*-linux-gnu*"))
    private = sorted({library.parent for folder in shared for library in folder.glob("*/lib*.so*")})
    libraries = [*shared, *private]
    return {
        "PATH": os.pathsep.join([*programs, os.environ.get("PATH", os.defpath)]),
        "LD_LIBRARY_PATH": os.pathsep.join(str(path) for path in libraries),
    }


def root_key(packages: Collection[str]) -> str:
    """Name the files of `packages` for this machine's architecture and release."""
    release = _os_release()
    described = [platform.machine(), release.get("ID", ""), release.get("VERSION_CODENAME", "")]
    described += sorted(packages)
    return hashlib.sha256("\0".join(described).encode()).hexdigest()[:16]


def _os_release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def _require_debian() -> None:
    for program in ("apt-get", "dpkg-deb", "bash", "tar"):
        if shutil.which(program) is None:
            raise ToolsError(f"expected {program}, as Debian and Ubuntu have it, found none on PATH.")


def _fill(root: Path, packages: Collection[str]) -> None:
    """Unpack `packages` into the folder `root`, which does not exist yet."""
    with tempfile.TemporaryDirectory(prefix="model-operator-debian-") as temporary:
        archives = Path(temporary, "archives")
        archives.mkdir()
        _download(packages, archives)
        _unpack_all(archives, root)


def _mirror() -> str:
    """Give the address from which the host takes Debian itself, whether it has package lists or not."""
    names = {*SUITES, _os_release().get("VERSION_CODENAME", "stable")}
    form = ("--no-release-info", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages")
    for line in _apt(Path("/"), ("indextargets", *form)).stdout.splitlines():
        release, _, address = line.partition(" ")
        if release in names:
            return address
    raise ToolsError(f"expected a source of Debian ({', '.join(sorted(names))}) in /etc/apt, found none.")


def _download(packages: Collection[str], directory: Path) -> None:
    download = ("-o", "APT::Sandbox::User=root", "download", *packages)
    if _apt(directory, download).returncode == 0:
        return
    private = _private_lists(directory.with_name("apt"))
    updated = _apt(directory, (*private, "update"))
    downloaded = _apt(directory, (*private, *download))
    if downloaded.returncode != 0:
        said = (downloaded.stderr.strip() or updated.stderr.strip() or "apt-get said nothing").splitlines()
        raise ToolsError(
            f"apt-get could not download {' '.join(packages)} ({said[-1]}): see /etc/apt and the network."
        )


def _private_lists(directory: Path) -> tuple[str, ...]:
    """Give apt-get's options for package lists of our own in `directory`, from the host's sources."""
    directory.mkdir()
    for folder in ("lists/partial", "cache/archives/partial"):
        (directory / folder).mkdir(parents=True)
    configuration = directory / "apt.conf"
    configuration.write_text(NO_HOOKS)
    options = {
        "Dir::State::Lists": directory / "lists",
        "Dir::Cache": directory / "cache",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        # Once more is enough where the network fails; a third party's source may never answer.
        "Acquire::Retries": 1,
        "Acquire::http::Timeout": 30,
        "Acquire::https::Timeout": 30,
    }
    return ("-c", str(configuration), *_options(options))


def _options(options: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(part for name, value in options.items() for part in ("-o", f"{name}={value}"))


def _apt(directory: Path, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["apt-get", "--quiet", *arguments],
            cwd=directory,
            env=os.environ | {"LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=APT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolsError(f"apt-get did not end within {APT_SECONDS:g} s: see the network.") from error


def _unpack_all(archives: Path, root: Path) -> None:
    for name in MERGED:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(Path("usr", name))
    for archive in sorted(archives.glob("*.deb")):
        _unpack(archive, root)


def _unpack(archive: Path, root: Path) -> None:
    # dpkg-deb --extract may replace the merged folders' links by folders; tar has an option against that.
    command = 'dpkg-deb --fsys-tarfile "$1" | tar -x -p --keep-directory-symlink -C "$2"'
    unpacked = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command, "unpack", archive, root],
        capture_output=True,
        text=True,
        check=False,
    )
    if unpacked.returncode != 0:
        raise ToolsError(f"{archive.name} could not be unpacked: {unpacked.stderr.strip()}")
