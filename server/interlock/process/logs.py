"""The format and the destination of the server's log lines.

Laws:
- Only a process that is nothing but a server sets up logging; importing or mounting the application never does.
- A line has its context, as far as it exists: `run_id`, `request_id`, `connection_id`, `node`; and the trace.
- No secret is logged, and nothing that somebody wrote: no data of connections; tracebacks without local variables;
  errors without their messages, unless these are the server's own. Anything left that is a secret, or looks like one,
  is redacted.

Source: `docs/operations.md`, "Logs".
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import structlog
from opentelemetry import trace
from structlog.stdlib import ProcessorFormatter
from structlog.typing import Processor

from interlock.database import DatabaseInUse, DatabaseUnavailable
from interlock.log.port import LogUnavailable, LogUnfit
from interlock.process.redaction import Redactor
from interlock.ratelimit.shared import SharedCountsUnavailable
from interlock.store.migrate import SchemaOutdated
from interlock.store.port import StoreUnavailable

Event = MutableMapping[str, Any]

_OWN_WORDS: Final = (
    DatabaseInUse,
    DatabaseUnavailable,
    LogUnavailable,
    LogUnfit,
    OSError,
    SchemaOutdated,
    SharedCountsUnavailable,
    StoreUnavailable,
)
"""Errors whose messages are the server's or the machine's, and quote nobody."""


def configure_logging(
    level: str,
    style: Literal["text", "json"] = "text",
    *,
    node: str | None = None,
    redact: Redactor | None = None,
) -> None:
    """Log lines of `level` (a name such as `info`) and above to standard error.

    Args:
        style: lines for people, or JSON objects for programs.
        node: the name of this process, added to each line.
        redact: takes secrets out of texts.
    """
    about = _About(node, with_words=level == "debug", redact=redact or Redactor())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        about,
    ]
    renderer = _renderer(style)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    _configure_others(shared, renderer)


def _renderer(style: str) -> Processor:
    if style == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)


def _configure_others(shared: Sequence[Processor], renderer: Processor) -> None:
    """Give the lines of libraries the same format: the web server's, and others' that have no handler."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    server = logging.getLogger("uvicorn")
    server.handlers, server.propagate = [handler], False
    # Filters aren't inherited, so this one goes on the logger that quotes connection data.
    traffic = logging.getLogger("uvicorn.error")
    if _is_no_traffic not in traffic.filters:
        traffic.addFilter(_is_no_traffic)
    if not logging.getLogger().handlers:
        logging.getLogger().addHandler(handler)


def _is_no_traffic(record: logging.LogRecord) -> bool:
    """Return True if a web server's message quotes no frame, header or address; all of these may contain tokens."""
    return record.levelno > logging.INFO or not {"websockets", "protocols"} & {*Path(record.pathname).parts}


class _About:
    """Adds the node, the trace and the error to a line, and redacts secrets."""

    def __init__(self, node: str | None, *, with_words: bool, redact: Redactor) -> None:
        self._node = node
        self._with_words = with_words
        self._conceal = redact

    def __call__(self, _: Any, __: str, event: Event) -> Event:
        if self._node is not None:
            event.setdefault("node", self._node)
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            event.setdefault("trace_id", trace.format_trace_id(span.trace_id))
            event.setdefault("span_id", trace.format_span_id(span.span_id))
        error = _error_in(event.pop("exc_info", None))
        if error is not None:
            event["exception"] = told(error, with_words=self._with_words)
        for name, value in event.items():
            if not _is_our_own(name, value):
                event[name] = self._concealed(value)
        return event

    def _concealed(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._conceal(value)
        if isinstance(value, Mapping):
            return {str(name): self._concealed(each) for name, each in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._concealed(each) for each in value]
        return value if isinstance(value, bool | int | float | None) else self._conceal(str(value))


def _is_our_own(name: str, value: Any) -> bool:
    """Return True for what only the server writes: else whoever stores a secret such as `signed_in` would hide lines of
    others."""
    if name == "event":
        return isinstance(value, str) and _EVENT.fullmatch(value) is not None
    # Those with an underscore are attributes of the standard library's records, for the formatter.
    return name in ("level", "logger", "node", "timestamp") or name.startswith("_")


_EVENT: Final = re.compile(r"[a-z]+(?:_[a-z]+)+")


def _error_in(exc_info: Any) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return exc_info[1] if isinstance(exc_info[1], BaseException) else None
    return sys.exc_info()[1] if exc_info else None


def told(error: BaseException, *, with_words: bool = False) -> str:
    """Return the traceback of an error and of its causes, without local variables.

    Args:
        with_words: include the messages of all errors, even if they may quote what somebody wrote.
    """
    return "\n\n".join(
        "".join(["Traceback (most recent call last):\n", *traceback.format_tb(each.__traceback__)])
        + _named(each, with_words=with_words)
        for each in reversed(list(_chain(error)))
    )


def _named(error: BaseException, *, with_words: bool) -> str:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    words = str(error) if with_words or isinstance(error, _OWN_WORDS) else ""
    return f"{name}: {words}" if words else name


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error, its causes in turn, and the members of exception groups."""
    seen: set[int] = set()
    pending = [error]
    while pending:
        each = pending.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        before = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
        pending += [*(each.exceptions if isinstance(each, BaseExceptionGroup) else ()), *((before,) if before else ())]
