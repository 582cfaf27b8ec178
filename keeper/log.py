"""The log: one line an event, on stderr, for people or as JSON."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog


def set_up(*, as_json: bool) -> None:
    """Sends what the keeper and its libraries log to stderr, in one form."""
    first: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Any] = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)]
    if as_json:
        json = structlog.processors.JSONRenderer(default=str)
        last = [structlog.processors.format_exc_info, json]
    structlog.configure(
        processors=[*first, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(sys.stderr)
    tidy = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=first, processors=[tidy, *last])
    )
    # Of libraries only warnings: their other lines carry URLs, and URLs carry keys.
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("keeper").setLevel(logging.INFO)
