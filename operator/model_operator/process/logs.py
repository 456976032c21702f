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
        Format of the lines.
    level
        Lowest severity to write.
    stream
        Where to write. Values are escaped before they are coloured.
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
    # kopf logs each event of each object and each probe there; the operator logs what matters itself.
    for noisy in ("kopf.objects", "kopf.activities", "asyncio", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def traceback_without_words(exc_info: structlog.typing.ExcInfo) -> str:
    """Format the traceback of an exception without its message and without local variables.

    Both may contain user input: a failed conversion quotes its input, and so does schema validation.

    Parameters
    ----------
    exc_info
        As `sys.exc_info` returns it.
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
    """Escape strings, which may be untrusted; all other values are written by `repr`, which escapes."""
    return {key: printable(value) if isinstance(value, str) else value for key, value in event.items()}


def _without_kopf_tracebacks(record: logging.LogRecord) -> bool:
    """Reduce kopf's errors to the message: the stack of kopf's tasks does not help the reader."""
    if record.name.startswith("kopf"):
        record.exc_info = record.exc_text = None
    return True
