"""The log: one line an event, on stderr, for people or as JSON."""

import logging
import re
import sys
from typing import Any

import structlog
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import JSONRenderer, TimeStamper, format_exc_info

# A URL's user, password, path and query: keys to a node lie in any of them.
_PRIVATE = re.compile(r"""(\w://)([^\s/?#@"'\\]*@)?([^\s/?#"'\\]*)([/?#][^\s"'\\]*)?""")


class _Discreet(structlog.stdlib.ProcessorFormatter):
    """Of every URL, wherever it stands, shows the host alone."""

    def format(self, record: logging.LogRecord) -> str:
        return _PRIVATE.sub(r"\1\3", super().format(record))


def set_up(*, as_json: bool) -> None:
    """Sends what the keeper and its libraries log to stderr, in one form."""
    about = structlog.contextvars.merge_contextvars  # which request it is about, if any
    first: list[Any] = [about, structlog.stdlib.add_log_level, TimeStamper(fmt="iso", utc=True)]
    last: list[Any] = [format_exc_info, JSONRenderer(default=str)]
    if not as_json:
        # Not Rich's tracebacks, which show the values of variables, and so keys.
        tty = sys.stderr.isatty()
        last = [ConsoleRenderer(colors=tty, pad_event_to=0, exception_formatter=plain_traceback)]
    structlog.configure(
        processors=[*first, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(sys.stderr)
    tidy = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(_Discreet(foreign_pre_chain=first, processors=[tidy, *last]))
    # Of libraries only warnings: their other lines carry URLs, and URLs carry keys.
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("keeper").setLevel(logging.INFO)
