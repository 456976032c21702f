"""One HTTP session with the API server, for kopf and for our own requests."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence

import aiohttp
from kubernetes.client import Configuration
from requests.utils import get_environ_proxies
from yarl import URL

from model_operator import __version__
from model_operator.kube.errors import StartupError

_UNCOMPRESSED = "identity"
"""Compressing a list takes the API server several times as long as writing it (kubernetes/kubernetes#112296),
and only a cluster's own network is between it and us."""


class Connection:
    """Open connections with the API server; kopf and :class:`ApiClient` share them.

    Parameters
    ----------
    load
        Returns what :func:`~model_operator.kube.kubeconfig.load_configuration` does. Called again after the
        API server has refused the credentials, since a rotated certificate is found in the same file.
    timeout
        Seconds until a request counts as unanswered (kopf sets its own for watches).
    traces
        What is to learn of each request.
    undelivered
        Seconds after which the kernel is to drop what the other side has not taken; None leaves it to the
        kernel, which goes on sending for minutes, even after the process has ended.
    """

    def __init__(
        self,
        load: Callable[[], Configuration],
        timeout: float,
        traces: Sequence[aiohttp.TraceConfig] = (),
        undelivered: float | None = None,
    ) -> None:
        self._load = load
        self._configuration = load()
        self._timeout = timeout
        self._traces = list(traces)
        self._undelivered = undelivered
        self._session: aiohttp.ClientSession | None = None

    @property
    def server(self) -> str:
        """Base URL of the API server."""
        return str(self._configuration.host).rstrip("/")

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session."""
        if self._session is None or self._session.closed:
            self._session = self._open(self._new_connector(), is_owner=True)
        return self._session

    def share(
        self, middleware: aiohttp.ClientMiddlewareType, response: type[aiohttp.ClientResponse]
    ) -> aiohttp.ClientSession:
        """Return another session over the same connections, to be closed by whom it is for.

        Parameters
        ----------
        middleware
            What each of its requests is to pass.
        response
            What its answers are.
        """
        return self._open(self.session.connector, middleware, is_owner=False, response=response)

    async def renew(self) -> None:
        """Read the credentials again and open a new session with them."""
        # In a thread: the kubeconfig may name a command that gets them.
        self._configuration = await asyncio.to_thread(self._load)
        await self.close()
        self._session = None

    async def close(self) -> None:
        """Close the session, if there is one."""
        if self._session is not None:
            await self._session.close()

    def _open(
        self,
        connector: aiohttp.BaseConnector | None,
        *middlewares: aiohttp.ClientMiddlewareType,
        is_owner: bool,
        response: type[aiohttp.ClientResponse] = aiohttp.ClientResponse,
    ) -> aiohttp.ClientSession:
        proxy = self._configuration.proxy or get_environ_proxies(self.server).get(URL(self.server).scheme)
        return aiohttp.ClientSession(
            connector=connector,
            connector_owner=is_owner,
            headers={"User-Agent": f"model-operator/{__version__}", "Accept-Encoding": _UNCOMPRESSED},
            timeout=aiohttp.ClientTimeout(total=self._timeout),
            middlewares=(*middlewares, self._authenticate),
            trace_configs=self._traces,
            proxy=URL(proxy) if proxy else None,
            response_class=response,
        )

    def _new_connector(self) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(limit=0, ssl=self._ssl_context(), socket_factory=self._new_socket)

    def _new_socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, *_ = address
        new = socket.socket(family, kind, protocol)
        if self._undelivered is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            milliseconds = max(int(self._undelivered * 1000), 1)
            new.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        return new

    async def _authenticate(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Add the credentials; the kubernetes package reads a rotated token file again when it is due."""
        if request.url.origin() != URL(self.server).origin():
            # kopf follows redirects, and each hop passes here: nobody else gets them.
            return await handler(request)
        # Some kubeconfigs reach the server under another name than its certificate has.
        request.server_hostname = self._configuration.tls_server_name or request.server_hostname
        token = self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        if token:
            request.headers["Authorization"] = token
        elif self._configuration.username:
            basic = self._configuration.get_basic_auth_token()
            request.headers["Authorization"] = str(basic)
        return await handler(request)

    def _ssl_context(self) -> ssl.SSLContext | bool:
        configuration = self._configuration
        if not self.server.startswith("https:"):
            return True
        try:
            context = ssl.create_default_context(
                cafile=configuration.ssl_ca_cert or None, cadata=configuration.ca_cert_data or None
            )
            if not configuration.verify_ssl:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if configuration.cert_file:
                context.load_cert_chain(configuration.cert_file, configuration.key_file)
        except (OSError, ssl.SSLError) as error:
            raise StartupError(f"cannot use the certificates of the kubeconfig: {error}") from error
        return context
