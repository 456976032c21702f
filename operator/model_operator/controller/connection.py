"""Where the API server is and who we are: one HTTP session for kopf and for our own requests."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from kubernetes.client import Configuration
from kubernetes.config import load_incluster_config, load_kube_config
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.incluster_config import SERVICE_HOST_ENV_NAME
from kubernetes.config.kube_config import KUBE_CONFIG_DEFAULT_LOCATION
from requests.utils import get_environ_proxies
from yarl import URL

from model_operator import __version__
from model_operator.controller.errors import StartupError

NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""Where a pod with a ServiceAccount finds its namespace."""
_DEFAULT_NAMESPACE = "default"
_UNCOMPRESSED = "identity"
"""Compressing a list takes the API server several times as long as writing it (kubernetes/kubernetes#112296),
and only a cluster's own network is between it and us."""


def load_configuration(kubeconfig: Path | None, context: str | None) -> Configuration:
    """Return server, certificates and credentials.

    Parameters
    ----------
    kubeconfig
        File to read; None means ``$KUBECONFIG``, then ``~/.kube/config``, then the pod's ServiceAccount.
    context
        Context of the kubeconfig, its current one when None.

    Raises
    ------
    StartupError
        When there is none, or it cannot be used.
    """
    configuration = Configuration()
    # It takes the proxy of the environment, but not whom that excepts; see Connection.
    configuration.proxy = None
    # The kubernetes package joins the files of $KUBECONFIG itself; it needs to be told of a single one.
    location = _location(kubeconfig)
    try:
        if _exists(location):
            load_kube_config(  # type: ignore[no-untyped-call]
                location,
                context=context or _current_context(location),
                client_configuration=configuration,
                persist_config=False,
            )
        elif is_pods_own(kubeconfig, context):
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            raise StartupError(
                f"no kubeconfig: {location} does not exist and this is no pod with a ServiceAccount; "
                "set --kubeconfig or KUBECONFIG"
            )
    except ConfigException as error:
        raise StartupError(f"cannot use the kubeconfig {location}: {error}") from error
    except (OSError, ValueError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise StartupError(f"cannot read the kubeconfig {location}: {error}") from error
    return configuration


def default_namespace(kubeconfig: Path | None, context: str | None) -> str:
    """Return the namespace of the context that :func:`load_configuration` uses, as kubectl understands it.

    Raises
    ------
    StartupError
        When the kubeconfig cannot be used.
    """
    location = _location(kubeconfig)
    if is_pods_own(kubeconfig, context):
        try:
            return NAMESPACE_FILE.read_text(encoding="utf-8").strip() or _DEFAULT_NAMESPACE
        except OSError:
            return _DEFAULT_NAMESPACE
    wanted = context or _current_context(location)
    for found in _contexts(location):
        if found.get("name") == wanted:
            return str((found.get("context") or {}).get("namespace") or _DEFAULT_NAMESPACE)
    return _DEFAULT_NAMESPACE


def context_names(kubeconfig: Path | None) -> list[str]:
    """Return the names of a kubeconfig's contexts.

    Raises
    ------
    StartupError
        When the kubeconfig cannot be read.
    """
    return [str(found["name"]) for found in _contexts(_location(kubeconfig)) if found.get("name")]


def is_pods_own(kubeconfig: Path | None, context: str | None) -> bool:
    """Tell whether :func:`load_configuration` uses the ServiceAccount of the pod that this runs in."""
    is_asked_for = kubeconfig is not None or context is not None
    return not is_asked_for and not _exists(_location(None)) and bool(os.environ.get(SERVICE_HOST_ENV_NAME))


def _location(kubeconfig: Path | None) -> str:
    return str(kubeconfig) if kubeconfig else KUBE_CONFIG_DEFAULT_LOCATION


def _files(location: str) -> list[Mapping[str, Any]]:
    """Return the content of the files that a location names, as far as they exist."""
    paths = [Path(part).expanduser() for part in location.split(":") if part]
    try:
        held = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise StartupError(f"cannot read the kubeconfig {location}: {error}") from error
    return [each for each in held if isinstance(each, Mapping)]


def _current_context(location: str) -> str | None:
    """Return the current context of the first file that says one, as kubectl does.

    The kubernetes package takes the last one's.
    """
    return next(
        (str(each["current-context"]) for each in _files(location) if each.get("current-context")), None
    )


def _contexts(location: str) -> list[Mapping[str, Any]]:
    """Return the contexts of all files; of two with a name, the first is the one that counts."""
    lists = [each.get("contexts") for each in _files(location)]
    return [found for each in lists if isinstance(each, list) for found in each if isinstance(found, Mapping)]


def _exists(location: str) -> bool:
    return any(Path(part).expanduser().is_file() for part in location.split(":") if part)


class Connection:
    """Open connections with the API server; kopf and :class:`ApiClient` share them.

    Parameters
    ----------
    load
        Returns what :func:`load_configuration` does; asked again after the API server has refused the
        credentials, since a rotated certificate is found in the same file.
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
