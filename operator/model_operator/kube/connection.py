"""One HTTP session with the API server, shared by kopf and the operator's own requests."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Required, TypedDict, Unpack

import aiohttp
from requests.utils import get_environ_proxies
from yarl import URL

from model_operator import __version__
from model_operator.kube.errors import StartupError
from model_operator.kube.kubeconfig import ClusterConfiguration
from model_operator.kube.observation import Observer

_UNCOMPRESSED = "identity"
"""The API server takes several times as long to compress a list as to write it
(kubernetes/kubernetes#112296), and the operator is on the cluster's own network."""


def origin_of(url: URL) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port of a URL, the same whether or not a default port is written.

    ``URL.origin()`` differs for ``https://10.96.0.1:443``, the server of each pod, and ``https://10.96.0.1``.
    """
    return url.scheme, url.host, url.port


class _RequestOptions(TypedDict, total=False):
    """What :meth:`Connection.request` passes on to aiohttp.

    Attributes
    ----------
    headers
        The headers, without the credentials of the process.
    data
        The body.
    timeout, read_bufsize
        As in aiohttp; by default those of the session.
    """

    headers: Required[Mapping[str, str]]
    data: bytes | None
    timeout: aiohttp.ClientTimeout
    read_bufsize: int


class Connection:
    """Open connections with the API server; kopf and :class:`ApiClient` share them.

    Parameters
    ----------
    load
        Returns what :func:`~model_operator.kube.kubeconfig.load_configuration` does. Called again after the
        API server has refused the credentials, since a rotated certificate has the same file name.
    timeout
        Seconds until a request times out (kopf sets its own timeout for watches).
    observer
        Observes each request; None for no observation.
    undelivered
        Seconds after which the kernel drops data that the peer has not acknowledged. With None the kernel
        retransmits for minutes, even after the process has ended.
    is_anonymous
        Whether the requests have no credentials of this process, neither a token nor a client certificate:
        each brings those of the user that it is made for. The API server prefers a client certificate to a
        token, so that a shared connection would give every user the rights of the process.
    """

    def __init__(
        self,
        load: Callable[[], ClusterConfiguration],
        timeout: float,
        observer: Observer | None = None,
        undelivered: float | None = None,
        *,
        is_anonymous: bool = False,
    ) -> None:
        self._load = load
        self._configure(load())
        self._timeout = timeout
        self._observer = observer
        self._undelivered = undelivered
        self._is_anonymous = is_anonymous
        self._session: aiohttp.ClientSession | None = None

    @property
    def server(self) -> str:
        """Base URL of the API server."""
        return str(self._configuration.host).rstrip("/")

    def url(self, path: str, query: str = "") -> URL:
        """Return the URL of a path and a query, both encoded: decoding could change their meaning.

        Parameters
        ----------
        path
            The path below that of the server.
        query
            The query without its question mark; empty for none.
        """
        base = self._url
        return URL.build(
            scheme=base.scheme,
            authority=base.raw_authority,
            path=self._prefix + path,
            query_string=query,
            encoded=True,
        )

    async def request(
        self, method: str, url: URL, **options: Unpack[_RequestOptions]
    ) -> aiohttp.ClientResponse:
        """Send a request and return its response, of which only the headers have been read.

        The observer is called here: aiohttp's traces, which kopf's requests need, take a sixth of the
        processor time of a request. A redirect is not followed, as it would carry the credentials elsewhere.

        Parameters
        ----------
        method, url
            The request.
        options
            See :class:`_RequestOptions`.
        """
        if self._observer is None:
            return await self.session.request(method, url, allow_redirects=False, **options)
        observed = self._observer.started(method, url, options["headers"].get("Content-Type", ""))
        try:
            response = await self.session.request(method, url, allow_redirects=False, **options)
        except BaseException as error:
            observed.failed(error)
            raise
        observed.answered(response.status)
        return response

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session."""
        if self._session is None or self._session.closed:
            self._session = self._open(self._new_connector(), is_owner=True)
        return self._session

    def share(
        self, middleware: aiohttp.ClientMiddlewareType, response: type[aiohttp.ClientResponse]
    ) -> aiohttp.ClientSession:
        """Return another session over the same connections; the caller closes it.

        Parameters
        ----------
        middleware
            Middleware for each request of that session.
        response
            Class of its responses.
        """
        return self._open(self.session.connector, middleware, is_owner=False, response=response)

    async def renew(self) -> None:
        """Reload the credentials and open a new session with them."""
        # In a thread: the kubeconfig may name a command that prints the credentials.
        self._configure(await asyncio.to_thread(self._load))
        await self.close()
        self._session = None

    async def close(self) -> None:
        """Close the session, if there is one."""
        if self._session is not None:
            await self._session.close()

    def _configure(self, configuration: ClusterConfiguration) -> None:
        self._configuration = configuration
        self._url = URL(self.server)
        self._origin = origin_of(self._url)
        self._prefix = self._url.raw_path.rstrip("/")

    def _open(
        self,
        connector: aiohttp.BaseConnector | None,
        *middlewares: aiohttp.ClientMiddlewareType,
        is_owner: bool,
        response: type[aiohttp.ClientResponse] = aiohttp.ClientResponse,
    ) -> aiohttp.ClientSession:
        proxy = self._configuration.proxy or get_environ_proxies(self.server).get(self._url.scheme)
        return aiohttp.ClientSession(
            connector=connector,
            connector_owner=is_owner,
            headers={"User-Agent": f"model-operator/{__version__}", "Accept-Encoding": _UNCOMPRESSED},
            timeout=aiohttp.ClientTimeout(total=self._timeout),
            middlewares=(*middlewares, self._authenticate),
            # The requests over the own session are observed where they are sent.
            trace_configs=[self._observer.trace()] if self._observer and not is_owner else [],
            proxy=URL(proxy) if proxy else None,
            response_class=response,
            # A cookie of a load balancer would tie the requests of different users together.
            cookie_jar=aiohttp.DummyCookieJar() if self._is_anonymous else None,
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
        """Add the credentials; the kubernetes package reloads a rotated token file when it is due."""
        if origin_of(request.url) != self._origin:
            # kopf follows redirects, and each hop passes here: only the API server receives credentials.
            return await handler(request)
        # Some kubeconfigs use another host name for the server than its certificate has.
        request.server_hostname = self._configuration.tls_server_name or request.server_hostname
        if self._is_anonymous:
            return await handler(request)
        token = self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        if token:
            request.headers["Authorization"] = token
        elif self._configuration.username:
            basic = self._configuration.get_basic_auth_token()
            request.headers["Authorization"] = str(basic)
        for name, value in self._configuration.impersonation:
            request.headers.add(name, value)
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
            if configuration.cert_file and not self._is_anonymous:
                context.load_cert_chain(configuration.cert_file, configuration.key_file)
        except (OSError, ssl.SSLError) as error:
            raise StartupError(f"cannot use the certificates of the kubeconfig: {error}") from error
        return context
