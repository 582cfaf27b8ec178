"""One node that serves the chain: how it is asked, and whether it can be used.

A node is looked at before it is first used, every few seconds while any is asked, and, longer
apart each time, while it does not answer. When no other is left it is looked at again at once.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
import structlog

from keeper import metrics
from keeper.errors import RpcDown

log = structlog.get_logger()

MAX_ANSWER = 32 << 20  # bytes; a full chunk of logs is far below
LOOK_EVERY = 3.0  # seconds
LONGEST_REST = 60.0  # seconds without a look at a node that is down
_AT_ONCE = 8  # requests; nodes refuse those who ask too much
# HTTP: the node, or what stands before it, did not look at the request.
_TURNED_AWAY = frozenset({401, 403, 429, 502, 503, 504})
_LOOKS = tuple(
    orjson.dumps({"jsonrpc": "2.0", "id": 0, "method": method, "params": params})
    for method, params in (("eth_chainId", ()), ("eth_getBlockByNumber", ("latest", False)))
)


class Faulty(Exception):
    """What a node does wrong; the message goes on from its name."""


class Node:
    """One endpoint.

    Attributes:
        where: it, without its secrets, for messages.
        head: its newest block's timestamp when it was last looked at.
        fault: why it cannot be used, "" when it can.
        look_at: when it is due to be looked at, by the monotonic clock.
    """

    def __init__(self, url: str, timeout: float, chain_id: int) -> None:
        parts = urlsplit(url)
        self.where = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
        secrets = [url, *parts.path.split("/"), parts.query, parts.username, parts.password]
        self._secrets = [secret for secret in secrets if secret and len(secret) > 3]
        self.head, self.fault, self.look_at = 0, "was not asked yet", 0.0
        self._chain_id, self._rest = chain_id, LOOK_EVERY
        self._few, self._looking = asyncio.Semaphore(_AT_ONCE), asyncio.Future[None]()
        self._looking.cancel()  # none is under way
        headers, limit = {"Content-Type": "application/json"}, aiohttp.ClientTimeout(total=timeout)
        self._session = aiohttp.ClientSession(timeout=limit, headers=headers)
        self._send = partial(self._session.post, url, allow_redirects=False)

    async def ask(self, request: bytes) -> Any:
        """What it answers, be it an error. One that has a fault is looked at before.

        Raises RpcDown when what comes is no answer, or the node cannot be used.
        """
        if self.fault:
            await asyncio.wait([self.look()])
        if self.fault:
            raise RpcDown(f"{self.where} {self.fault}")
        with self._judged():
            return await self._post(request)

    def look(self) -> asyncio.Future[None]:
        """Has a look at it, unless one is under way."""
        if self._looking.done():
            self._looking = asyncio.create_task(self._look())
        return self._looking

    def fail(self, exc: Exception) -> RpcDown:
        """It is left alone for a while, longer each time."""
        self.look_at = time.monotonic() + self._rest
        self._rest = min(2 * self._rest, LONGEST_REST)
        match exc:
            case Faulty():
                self.fault = str(exc)
            case TimeoutError():
                self.fault = "does not answer in time"
            case aiohttp.ClientError() | OSError():
                self.fault = f"does not answer ({type(exc).__name__})"
            case _:
                self.fault = f"answers what makes no sense ({type(exc).__name__})"
        metrics.NODE_UP.labels(self.where).set(0)
        return RpcDown(f"{self.where} {self.fault}")

    async def close(self) -> None:
        """Ends whatever is under way."""
        self._looking.cancel()
        await self._session.close()

    @contextlib.contextmanager
    def _judged(self) -> Iterator[None]:
        """Whatever goes wrong inside is a fault of the node's, and raised as RpcDown."""
        try:
            yield
        except Exception as exc:  # bad answers are found in any way
            raise self.fail(exc) from exc

    async def _look(self) -> None:
        self.look_at = due = time.monotonic() + LOOK_EVERY
        with contextlib.suppress(RpcDown), self._judged():
            answers = [await self._post(look) for look in _LOOKS]
            if refusal := "".join(map(message, answers)):
                raise Faulty(f"refuses: {refusal}")
            chain, block = (answer["result"] for answer in answers)
            if (chain := int(chain, 16)) != self._chain_id:
                why = f"serves chain {chain}, not {self._chain_id}"
                if self.fault != why:
                    log.error("a node of another chain is not used", node=self.where, chain=chain)
                raise Faulty(why)
            self.head = int(block["timestamp"], 16)
            if self.look_at == due:  # else it failed otherwise meanwhile
                self.fault, self._rest = "", LOOK_EVERY

    async def _post(self, request: bytes) -> Any:
        """What it answers; an error's message is one short line without what must not be told."""
        body = bytearray()
        # Begun only when its turn has come.
        async with self._few, self._send(data=request) as response:
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > MAX_ANSWER:
                    raise ValueError("too long an answer")
        # Nodes tell of errors with any status: what matters is whether JSON came.
        no_json = response.status != 200 and not body.lstrip().startswith(b"{")
        if no_json or response.status in _TURNED_AWAY:
            raise Faulty(f"answers with HTTP {response.status}")
        answer = orjson.loads(body)
        if error := answer.get("error"):
            told = error if isinstance(error, dict) else {"message": error}
            answer["error"] = {**told, "message": self._clean(str(told.get("message")))}
        elif "result" not in answer:
            raise ValueError("no answer")
        return answer

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        line = "".join(c for c in " ".join(text.split()) if c.isprintable())
        return line[:200] or "no reason given"


def message(answer: Any) -> str:
    """What an error answer says; "" for another."""
    return str(answer["error"]["message"]) if answer.get("error") else ""
