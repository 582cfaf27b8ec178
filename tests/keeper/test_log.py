"""What the log shows: lines that a machine can read, and never a secret."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import logging, sys
import structlog
from keeper import log

log.set_up(as_json=sys.argv[1] == "json")
own = structlog.get_logger("keeper.test")
own.info("serving", url="http://127.0.0.1:8080", wei=10**30, raw=b"\\xff", text="\\udc80 a\\nb")
own.info("what", why='{"rpc": "https://node.example/v2/SECRET1"} or wss://node.example?k=SECRET2')


def fails(key):
    raise RuntimeError(f"POST 'https://user:SECRET3@node.example/v2/SECRET4': 401")


try:
    fails("".join(["SEC", "RET5"]))
except RuntimeError:
    own.exception("failed")
logging.getLogger("lib").warning("no %s", "redis://:SECRET6@cache.example:6379/0")
logging.getLogger("lib").info("GET https://node.example/v2/SECRET7")
"""


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_secret_of_a_url_or_of_a_variable_is_shown(form: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, form],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    said = done.stderr
    assert "SECRET" not in said
    assert "http://127.0.0.1:8080" in said
    assert "https://node.example" in said
    assert "redis://cache.example:6379" in said
    assert "RuntimeError: POST 'https://node.example': 401" in said
    if form == "json":
        lines = [json.loads(line) for line in said.splitlines()]
        assert [line["event"] for line in lines] == [
            "serving",
            "what",
            "failed",
            "no redis://cache.example:6379",
        ]
        assert lines[0]["wei"] == 10**30
        assert lines[0]["text"] == "\udc80 a\nb"
        assert lines[1]["why"] == '{"rpc": "https://node.example"} or wss://node.example'
        assert all(line["timestamp"].endswith("Z") for line in lines)
