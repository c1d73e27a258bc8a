"""Where the server's log lines go.

Laws:
- Logging is set up by a process that is a server and nothing else, never by importing or mounting the application.
- No secret is logged: tracebacks come without local variables, and nothing of what travels on connections is written.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import structlog


def configure_logging(level: str) -> None:
    """Log to standard error what is as important as `level`, a name such as `info`.

    Secrets stay out: tracebacks come without local variables, and nothing of what travels on connections is written.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.getLogger("uvicorn.error").addFilter(_is_no_traffic)


def _is_no_traffic(record: logging.LogRecord) -> bool:
    """Whether a message of the web server quotes no frame, header or address: tokens travel in all of these."""
    return record.levelno > logging.INFO or not {"websockets", "protocols"} & {*Path(record.pathname).parts}
