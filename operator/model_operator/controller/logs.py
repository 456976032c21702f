"""Logging on stderr, as text or JSON, with namespace and name on every line of a reconciliation."""

from __future__ import annotations

import logging
import traceback
from typing import TextIO

import structlog

from model_operator.core.values.printable import printable
from model_operator.settings import LogFormat, LogLevel


def configure_logging(log_format: LogFormat, level: LogLevel, stream: TextIO) -> None:
    """Route structlog and the standard library's logging (kopf's, too) through one formatter.

    Parameters
    ----------
    log_format
        How lines look.
    level
        The least severe level to write.
    stream
        Where to write; texts are escaped here, so that colours are not.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[structlog.typing.Processor]
    if log_format is LogFormat.JSON:
        renderer = [
            structlog.processors.ExceptionRenderer(traceback_without_words),
            structlog.processors.JSONRenderer(sort_keys=True),
        ]
    else:
        renderer = [
            _escape_texts,
            structlog.dev.ConsoleRenderer(
                colors=stream.isatty(),
                exception_formatter=_write_traceback,
            ),
        ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
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


def traceback_without_words(exc_info: structlog.typing.ExcInfo) -> str:
    """Return where an exception comes from, without its message and without local variables.

    Both may hold what users gave: a conversion that fails quotes its input, as a schema's check does.

    Parameters
    ----------
    exc_info
        What `sys.exc_info` gives.
    """
    lines: list[str] = []
    open_errors: list[tuple[BaseException | None, str]] = [(exc_info[1], "")]
    seen: set[int] = set()
    while open_errors:
        error, relation = open_errors.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        lines += [relation] if relation else []
        lines += [line.rstrip() for line in traceback.format_tb(error.__traceback__)]
        lines.append(f"{type(error).__module__}.{type(error).__qualname__} (its message is left out)")
        if error.__cause__ is not None or not error.__suppress_context__:
            open_errors.append((error.__cause__ or error.__context__, "caused by, or while handling:"))
        if isinstance(error, BaseExceptionGroup):
            open_errors += [(each, "one of its exceptions:") for each in reversed(error.exceptions)]
    return "\n".join(lines)


def _write_traceback(file: TextIO, exc_info: structlog.typing.ExcInfo) -> None:
    file.write(f"\n{traceback_without_words(exc_info)}")


def _escape_texts(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Escape texts, which a stranger may have written; all other values are written by `repr`, which does."""
    return {key: printable(value) if isinstance(value, str) else value for key, value in event.items()}


def _without_kopf_tracebacks(record: logging.LogRecord) -> bool:
    """Leave of kopf's errors the message: which of its tasks awaited which tells the reader nothing."""
    if record.name.startswith("kopf"):
        record.exc_info = record.exc_text = None
    return True
