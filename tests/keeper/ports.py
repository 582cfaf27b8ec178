"""Ports for servers that must be told theirs, and may be started on it again."""

from __future__ import annotations

import contextlib
import secrets
import socket

_OURS = range(20_000, 32_000)  # Linux gives from 32768 on to those who ask for any, or connect


def free_port() -> int:
    """One that nothing listens on, and that no connection takes before somebody does."""
    while True:
        port = secrets.choice(_OURS)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
