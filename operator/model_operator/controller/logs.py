"""Logging on stderr, as text or JSON, with namespace and name on every line of a reconciliation."""

from __future__ import annotations

import logging
import sys

import structlog

from model_operator.controller.settings import LogFormat, LogLevel


def configure_logging(log_format: LogFormat, level: LogLevel) -> None:
    """Route structlog and the standard library's logging (kopf's, too) through one formatter.

    Parameters
    ----------
    log_format
        How lines look.
    level
        The least severe level to write.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[structlog.typing.Processor]
    if log_format is LogFormat.JSON:
        renderer = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(sort_keys=True)]
    else:
        renderer = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                # Not the one that shows local variables: they hold what users gave.
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    if level is not LogLevel.DEBUG:
        handler.addFilter(_without_kopf_tracebacks)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # kopf reports there each event of each object and each probe; what matters we log ourselves.
    for noisy in ("kopf.objects", "kopf.activities", "asyncio", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _without_kopf_tracebacks(record: logging.LogRecord) -> bool:
    """Leave of kopf's errors the message: which of its tasks awaited which tells the reader nothing."""
    if record.name.startswith("kopf"):
        record.exc_info = record.exc_text = None
    return True
