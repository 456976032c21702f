"""The Python of the operator's image, with the locked packages, to run tests with on this host.

It is unpacked from the Debian packages of which the stand-in for the image's base is made, and is run by that
release's own loader and libraries: nothing on the host changes, and it takes no root.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

from hack.build.cache import REPOSITORY, cache_directory, exclusive
from hack.build.debian import debian_system, root_key
from hack.build.go_toolchain import ToolsError

SUITE, VERSION = "trixie", "3.13"
PACKAGES = ("ca-certificates", "libstdc++6", "python3", "python3-venv")
INSTALL_SECONDS = 900
LOADERS = {"x86_64": "lib64/ld-linux-x86-64.so.2", "aarch64": "lib/ld-linux-aarch64.so.1"}
WRAPPER = """\
#!/bin/sh
# Debian's Python by Debian's loader. Under this name it takes the folder for its virtual environment.
exec '{loader}' --library-path '{libraries}' --argv0 "$0" '{python}' "$@"
"""
SCRIPT = """\
#!{python}
import sys

from {module} import {function}

sys.exit({function}())
"""


def image_python(cache: Path | None = None) -> Path:
    """Give the interpreter, with what ``requirements.lock`` names; made first if it is not there yet.

    Parameters
    ----------
    cache
        Where it is kept; by default, where all tools are.

    Raises
    ------
    ToolsError
        When this is no Debian, or something cannot be downloaded.
    """
    cache = cache_directory() if cache is None else cache
    if platform.machine() not in LOADERS:
        raise ToolsError(f"expected a machine of {' or '.join(LOADERS)}, this is {platform.machine()}.")
    lock = (REPOSITORY / "requirements.lock").read_text()
    directory = (
        cache
        / f"python-{VERSION}-{root_key([SUITE, *PACKAGES, WRAPPER, SCRIPT, *_scripts().values(), lock])}"
    )
    python = directory / "venv" / "bin" / "python"
    waiting = f"Another process is preparing Python {VERSION}; waiting for it."
    with exclusive(cache / "python.lock", waiting=None if directory.exists() else waiting):
        if not directory.exists():
            begin = time.monotonic()
            print(f"Preparing Debian {SUITE}'s Python in {directory} (once)…", flush=True)
            # Packages come when it is in its place, as its paths are written down in it.
            partial = cache / "python-partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            _make(partial, directory)
            partial.rename(directory)
            _install(python, directory)
            print(f"Prepared in {time.monotonic() - begin:.0f} s.", flush=True)
    return python


def _make(partial: Path, directory: Path) -> None:
    """Write system and virtual environment into one folder, to be found in another."""
    debian_system(SUITE, PACKAGES, partial / "root")
    root = directory / "root"
    (libraries,) = (partial / "root/usr/lib").glob("*-linux-gnu")
    programs = partial / "venv" / "bin"
    programs.mkdir(parents=True)
    wrapper = programs / "python"
    wrapper.write_text(
        WRAPPER.format(
            loader=root / "usr" / LOADERS[platform.machine()],
            libraries=root / "usr/lib" / libraries.name,
            python=root / f"usr/bin/python{VERSION}",
        )
    )
    wrapper.chmod(0o755)
    (programs / "python3").symlink_to("python")
    # The package itself is found by PYTHONPATH, so that a change of it needs no other environment.
    for name, entry in _scripts().items():
        module, _, function = entry.partition(":")
        script = programs / name
        python = directory / "venv/bin/python"
        script.write_text(SCRIPT.format(python=python, module=module, function=function))
        script.chmod(0o755)
    (partial / f"venv/lib/python{VERSION}/site-packages").mkdir(parents=True)
    (partial / "venv" / "pyvenv.cfg").write_text(
        f"home = {root / 'usr/bin'}\ninclude-system-site-packages = false\n"
    )


def _scripts() -> dict[str, str]:
    """Give the commands of the package, as ``module:function`` by name."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    scripts: dict[str, str] = project["scripts"]
    return scripts


def _install(python: Path, directory: Path) -> None:
    try:
        pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps")
        options = ("--disable-pip-version-check", "--retries", "8", "--timeout", "60", "--require-hashes")
        subprocess.run(
            [*pip, *options, "--requirement", REPOSITORY / "requirements.lock"],
            check=True,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
        )
    except (subprocess.SubprocessError, OSError) as error:
        shutil.rmtree(directory, ignore_errors=True)
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1:]
        raise ToolsError(
            f"the packages for Python {VERSION} could not be installed ({''.join(said)})."
        ) from error
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
