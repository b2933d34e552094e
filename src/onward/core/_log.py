"""Structured logs through the standard library's `onward` logger: silent unless the application listens."""

from __future__ import annotations

import logging

import structlog

logging.getLogger("onward").addHandler(logging.NullHandler())  # else warnings go to standard error

log: structlog.stdlib.BoundLogger = structlog.wrap_logger(
    logging.getLogger("onward"),
    processors=[
        structlog.stdlib.filter_by_level,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(sort_keys=True),
    ],
    wrapper_class=structlog.stdlib.BoundLogger,
)
