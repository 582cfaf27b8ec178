"""Word to the service manager, as sd_notify(3) has it: ready, alive, stopping."""

import asyncio
import contextlib
import os
import socket

READY, ALIVE, STOPPING = "READY=1", "WATCHDOG=1", "STOPPING=1"


def tell(state: str) -> None:
    """Says it, where somebody listens. Never waits, never raises."""
    if path := os.environ.get("NOTIFY_SOCKET"):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.setblocking(False)
            out.sendto(state.encode(), "\0" + path[1:] if path[0] == "@" else path)


async def watchdog() -> None:
    """For ever tells the service manager that the event loop turns."""
    asked = os.environ.get("WATCHDOG_USEC", "")
    seconds = (int(asked) if asked.isdecimal() else 0) / 2e6 or 10.0
    while True:
        tell(ALIVE)
        await asyncio.sleep(seconds)
