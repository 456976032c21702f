"""A TLS handshake in memory: what a server shows to a caller that trusts a bundle."""

from __future__ import annotations

import ssl

from cryptography import x509


def shown_certificate(
    server: ssl.SSLContext, trusted: bytes, name: str, *, version: ssl.TLSVersion | None = None
) -> x509.Certificate:
    """Give the certificate that `server` shows to who calls it by `name` and trusts `trusted` (PEM).

    Raises
    ------
    ssl.SSLError
        When the caller does not accept it, or there is none.
    """
    client = ssl.create_default_context(cadata=trusted.decode())
    if version is not None:
        client.maximum_version = version
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    caller = client.wrap_bio(to_client, to_server, server_hostname=name)
    callee = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = [caller, callee]
    while waiting:
        for side in list(waiting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(side)
    shown = caller.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown)
