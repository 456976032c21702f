"""The mounted certificate of the API, read again when its files change."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import structlog

from model_operator.kube.errors import StartupError

log = structlog.get_logger(__name__)

_POLL_SECONDS = 10.0


class MountedCertificate:
    """A TLS context that follows two files; the kubelet replaces both at once.

    Parameters
    ----------
    cert_file, key_file
        PEM files.

    Raises
    ------
    StartupError
        When they cannot be used.
    """

    def __init__(self, cert_file: Path, key_file: Path) -> None:
        self._files = cert_file, key_file
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            self._stamp = self._load()
        except (OSError, ssl.SSLError) as error:
            reason = error.strerror or type(error).__name__
            raise StartupError(
                f"cannot use the certificate {cert_file} with the key {key_file}: {reason}; mount a PEM "
                "certificate and its key"
            ) from error

    async def follow(self) -> None:
        """Load the files again when they change, until cancelled; the old pair stays while none works."""
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            try:
                if await asyncio.to_thread(self._stat) != self._stamp:
                    self._stamp = await asyncio.to_thread(self._load)
                    log.info("the certificate has been read again")
            except (OSError, ssl.SSLError) as error:
                log.warning("cannot read the certificate again", error=type(error).__name__)

    def _load(self) -> tuple[tuple[int, int], ...]:
        stamp = self._stat()
        # A pair that does not match would leave a context with the new certificate and the old key.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*self._files)
        self.context.load_cert_chain(*self._files)
        return stamp

    def _stat(self) -> tuple[tuple[int, int], ...]:
        return tuple((found.st_mtime_ns, found.st_ino) for found in (path.stat() for path in self._files))
