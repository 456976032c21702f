"""llama.cpp in this process: its own HTTP server with OpenAI's API, and how many requests it answers."""

from __future__ import annotations

import re
from typing import Any, Protocol, Self

from chat_server.prompts import CHAT_TEMPLATE, STOPS
from chat_server.settings import Settings

REPEAT_PENALTY = 1.1
"""Small models repeat themselves without one."""
ERRORS = 1
"""On llama.cpp's own scale."""
_RUNNING = re.compile(r"^llamacpp:requests_(?:processing|deferred) (\d+)", re.MULTILINE)


class EngineError(Exception):
    """The model cannot be loaded, or the port cannot be listened on; the message is one line."""


class Engine(Protocol):
    """What answers requests over HTTP."""

    def running(self) -> int:
        """Return the number of requests that are answered or wait."""

    def close(self) -> None:
        """Stop listening, and cut what still runs."""


class LlamaEngine:
    """llama.cpp's server; its threads are its own, not Python's.

    Parameters
    ----------
    server
        A ``xllamacpp.Server``.
    """

    def __init__(self, server: Any) -> None:
        self._server = server

    @classmethod
    def start(cls, settings: Settings) -> Self:
        """Listen, load the model, and serve; ``/health`` returns 200 from then on.

        Raises
        ------
        EngineError
            When it cannot. llama.cpp has written the reason to standard error before.
        """
        # Loading the library takes memory and time that wrong settings are not worth, and tests have none.
        import xllamacpp  # noqa: PLC0415

        try:
            return cls(xllamacpp.Server(parameters(xllamacpp, settings)))
        except RuntimeError:
            raise EngineError(
                f"llama.cpp cannot serve {settings.model_file} at {settings.host}:{settings.port}; the lines "
                "above have the reason."
            ) from None

    def running(self) -> int:
        """Return the number of requests that are answered or wait."""
        return sum(int(number) for number in _RUNNING.findall(self._server.handle_metrics()))

    def close(self) -> None:
        """Stop listening, and cut what still runs."""
        self._server = None


def parameters(xllamacpp: Any, settings: Settings) -> Any:
    """Return the settings as ``xllamacpp.CommonParams``."""
    found = xllamacpp.CommonParams()
    found.verbosity = ERRORS
    found.model.path = str(settings.model_file)
    found.model_alias = {settings.served_name}
    found.hostnames = [settings.host]
    found.port = settings.port
    # Probes and metrics are answered while all others wait for their answers.
    found.n_threads_http = settings.parallel + 8
    found.n_parallel = settings.parallel
    found.n_ctx = settings.context_length * settings.parallel
    found.n_predict = settings.max_tokens
    found.cpuparams.n_threads = found.cpuparams_batch.n_threads = settings.threads
    found.sampling.temp = settings.temperature
    found.sampling.penalty_repeat = REPEAT_PENALTY
    found.chat_template = CHAT_TEMPLATE
    found.antiprompt = list(STOPS)
    # By default llama.cpp keeps up to 8 GiB of earlier prompts, which no container here has.
    found.cache_ram_mib = 0
    found.cache_idle_slots = False
    found.n_ctx_checkpoints = 0
    found.endpoint_metrics = True
    found.endpoint_slots = False
    found.ui = False
    return found
