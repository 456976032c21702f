"""The folder where built tools are kept between runs, and how parallel callers share it."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


REPOSITORY = Path(__file__).resolve().parents[2]


def cache_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Give the cache's folder, which need not exist yet.

    Parameters
    ----------
    environ
        ``MODEL_OPERATOR_CACHE`` wins; else ``model-operator`` below ``XDG_CACHE_HOME`` or ``~/.cache``.
    """
    if own := environ.get("MODEL_OPERATOR_CACHE"):
        return Path(own).expanduser().absolute()
    base = environ.get("XDG_CACHE_HOME")
    # The XDG specification: a relative path is to be ignored.
    home = Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache"
    return home / "model-operator"


@contextmanager
def exclusive(lock: Path, *, waiting: str | None = None) -> Iterator[None]:
    """Hold the file lock `lock`; the kernel frees it when the holder dies.

    Parameters
    ----------
    lock
        A file, created when missing, together with its folder.
    waiting
        What to tell the user before waiting for another holder.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting:
                print(waiting, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
