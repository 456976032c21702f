"""Errors of the API server during the checks before a start, as one line for the operator administrator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from model_operator.kube.errors import ApiError, ApiUnavailableError, ForbiddenError, StartupError


@contextmanager
def startup_errors(server: str) -> Iterator[None]:
    """Raise errors of the API server as :class:`~model_operator.kube.errors.StartupError`.

    Parameters
    ----------
    server
        Its URL, to name in the messages.
    """
    try:
        yield
    except ApiUnavailableError as error:
        raise StartupError(f"the API server {server} cannot be reached: {_cause(error)}") from error
    except ForbiddenError as error:
        raise StartupError(f"the API server {server} refuses the credentials: {_cause(error)}") from error
    except ApiError as error:
        raise StartupError(f"unexpected response from the API server {server}: {error}") from error


def _cause(error: ApiError) -> str:
    return error.status.get("message") or f"HTTP {error.code}"
