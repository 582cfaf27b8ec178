"""Who may ask: pages, names, proxies, limits; and what tells one request from another."""

from __future__ import annotations

import io
import json
import logging
from collections import Counter
from contextlib import redirect_stderr
from ipaddress import ip_network
from typing import Any

import pytest

from feed.http import Problem
from feed.store import network
from keeper import log, metrics
from tests.feed.test_rest import ROUND, opened, problem
from tests.feed.world import PAGE, connected, serving

PREFLIGHT = {"Access-Control-Request-Method": "POST", "Origin": PAGE}


class Turnstile:
    """Lets so many requests of each kind and address through."""

    def __init__(self, most: int) -> None:
        self.most, self.seen = most, Counter[tuple[str, str]]()

    async def hit(self, kind: str, address: str) -> float | None:
        self.seen[kind, address] += 1
        return 2.25 if self.seen[kind, address] > self.most else None


async def test_a_browser_is_told_what_its_page_may_do() -> None:
    async with serving(opened()) as session:
        for path in ("/api/bet", "/api/round", "/nowhere"):
            async with session.options(path, headers=PREFLIGHT) as response:
                assert (response.status, await response.read()) == (204, b"")
                allowed = {
                    name.removeprefix("Access-Control-"): value
                    for name, value in response.headers.items()
                    if name.startswith("Access-Control-")
                }
                assert allowed == {
                    "Allow-Origin": PAGE,
                    "Allow-Methods": "GET, HEAD, POST",
                    "Allow-Headers": "Content-Type, If-None-Match, X-Request-Id",
                    "Expose-Headers": "ETag, Retry-After, X-Request-Id",
                    "Max-Age": "3600",
                }
        for other in ("https://evil.example", "null", PAGE.upper(), PAGE + "/"):
            headers = PREFLIGHT | {"Origin": other}
            async with session.options("/api/bet", headers=headers) as response:
                assert "LOTTOCHAIN_ORIGINS" in await problem(response, 403)
                assert (await response.json())["code"] == "forbidden_origin"
                assert not [name for name in response.headers if name.startswith("Access-")]
        for alone in PREFLIGHT.items():  # which is none
            async with session.options("/api/bet", headers=[alone]) as response:
                assert await problem(response, 405) == "this path takes POST"


async def test_only_under_its_own_names_but_for_who_runs_it() -> None:
    async with serving(opened(), hosts=("feed.example", "[::1]")) as session:
        for host in ("feed.example", "FEED.example:8080", "[::1]:8080", "[::1]"):
            async with session.get(ROUND, headers={"Host": host}) as response:
                assert response.status == 200, host
        for host in ("evil.example", "feed.example.evil", "127.0.0.1:80", "feed.example:x:1"):
            for path in (ROUND, "/ws", "/openapi.yaml", "/nowhere"):
                async with session.get(path, headers={"Host": host}) as response:
                    await problem(response, 421)
            for path in ("/healthz", "/readyz", "/metrics"):
                async with session.get(path, headers={"Host": host}) as response:
                    assert response.status == 200


@pytest.mark.parametrize(
    ("proxies", "told", "asks"),
    [
        ((), ["1.2.3.4"], "127.0.0.1"),  # nobody is believed
        (("127.0.0.0/8",), [], "127.0.0.1"),
        (("127.0.0.0/8",), ["1.2.3.4"], "1.2.3.4"),
        (("127.0.0.0/8",), ["6.6.6.6, 1.2.3.4"], "1.2.3.4"),  # what a client adds is not
        (("127.0.0.0/8",), ["6.6.6.6", "1.2.3.4"], "1.2.3.4"),
        (("127.0.0.0/8", "10.0.0.0/8"), ["6.6.6.6, 1.2.3.4,10.0.0.9"], "1.2.3.4"),
        (("127.0.0.0/8",), ["2001:DB8::1"], "2001:db8::1"),
        (("127.0.0.0/8", "10.0.0.0/8"), ["1.2.3.4, ::ffff:10.0.0.9"], "1.2.3.4"),
        (("127.0.0.0/8",), ["1.2.3.4, nonsense"], "127.0.0.1"),
        (("127.0.0.0/8",), [",,"], "127.0.0.1"),
        (("127.0.0.0/8",), ["1.2.3.4:80"], "127.0.0.1"),
    ],
)
async def test_only_proxies_are_believed_for_whom_they_ask(
    proxies: tuple[str, ...], told: list[str], asks: str
) -> None:
    turnstile, world = Turnstile(9), opened()
    gate: Any = {"limiter": turnstile, "proxies": [ip_network(p) for p in proxies]}
    headers = [("X-Forwarded-For", value) for value in told]
    async with serving(world, **gate) as session:
        async with session.get(ROUND, headers=headers) as response:
            assert response.status == 200
        async with connected(session, headers=headers):
            assert dict(world.hub._addresses) == {network(asks): 1}
    assert turnstile.seen == {("rest", asks): 1, ("connect", asks): 1}


async def test_who_asks_too_much_is_told_when_to_come_back() -> None:
    turnstile = Turnstile(2)
    refused = metrics.FEED_REFUSED.labels("too_many_requests")._value
    before = refused.get()
    async with serving(opened(), limiter=turnstile) as session:
        for _ in range(2):
            async with session.get(ROUND) as response:
                assert response.status == 200
        for method, path in (("GET", ROUND), ("POST", "/api/bet"), ("GET", "/nowhere")):
            async with session.request(method, path, headers={"Origin": PAGE}) as response:
                assert await problem(response, 429)
                assert (await response.json())["code"] == "too_many_requests"
                assert response.headers["Retry-After"] == "3"
                assert response.headers["Access-Control-Allow-Origin"] == PAGE
        async with session.get("/healthz") as response:
            assert response.status == 200
        async with connected(session), connected(session):
            pass
        async with session.get("/ws") as response:
            await problem(response, 429)
    assert refused.get() - before == 4


async def test_a_request_has_an_id_which_is_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(*_: Any) -> Any:
        raise RuntimeError

    with redirect_stderr(io.StringIO()) as err:
        log.set_up(as_json=True)
        try:
            async with serving(opened(), faults=("a request failed",) * 3) as session:
                ids = []
                for given, kept in (("a-B_9.", True), ("a b", False), ("x" * 65, False)):
                    headers = {"X-Request-Id": given}
                    async with session.get(ROUND, headers=headers) as response:
                        told = response.headers["X-Request-Id"]
                        assert (told == given) is kept
                    with monkeypatch.context() as patch:
                        patch.setattr("feed.api.cached", fault)
                        async with session.get(ROUND, headers=headers) as response:
                            await problem(response, 500)
                            ids.append(response.headers["X-Request-Id"])
        finally:
            logging.basicConfig(force=True)
    lines = [json.loads(line) for line in err.getvalue().splitlines()]
    assert [line["request"] for line in lines if line["event"] == "a request failed"] == ids
    assert (ids[0], len(set(ids))) == ("a-B_9.", 3)


def test_seconds_to_wait_are_whole_ones() -> None:
    assert Problem(429, "too_many_requests", "x", 0.1).answer().headers["Retry-After"] == "1"
