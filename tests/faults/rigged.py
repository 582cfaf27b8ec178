"""The keeper with a fault in its own process: `python -m tests.faults.rigged FAULT HOW run ...`.

FAULT is one of
    kill    SIGKILL at the next opening for writing of a path that matches HOW
    limit   a write past the limit that the test sets (RLIMIT_FSIZE) ends the process at once, as
            that signal does wherever it is not ignored as Python does; HOW is not used
    clock   the time of day is off by HOW seconds, the monotonic clock is right
Everything else is the keeper as it is.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import signal
import sys
import time
from typing import Any


def told(**what: object) -> None:
    """A line among those that the keeper logs: proof that the fault was made."""
    os.write(2, json.dumps({"event": "rigged", **what}).encode() + b"\n")


def kill_at_opening(pattern: str) -> None:
    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event != "open" or not isinstance(args[0], str) or not re.search(pattern, args[0]):
            return
        if args[2] & (os.O_WRONLY | os.O_RDWR):
            told(fault="kill", path=args[0])
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def set_clock(seconds: float) -> None:
    real = time.time
    time.time = lambda: real() + seconds
    told(fault="clock", now=time.time())


if __name__ == "__main__":
    _, fault, how, *rest = sys.argv
    match fault:
        case "kill":
            kill_at_opening(how)
        case "limit":
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        case "clock":
            set_clock(float(how))
    sys.argv = ["keeper", *rest]
    runpy.run_module("keeper", run_name="__main__", alter_sys=True)
