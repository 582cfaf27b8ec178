"""The test chain, spoken to directly: exact block times, cheap transactions, revert data."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

GAS = 10_000_000
MOST_POLLS = 30_000


class Reverted(Exception):
    """A transaction or call reverted.

    Attributes:
        data: what it returned, as hex.
    """

    def __init__(self, data: str) -> None:
        super().__init__(data)
        self.data = data


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transaction that succeeded.

    Attributes:
        contract: the address of what it deployed, if anything.
    """

    logs: list[dict[str, Any]]
    gas_used: int
    timestamp: int
    contract: str | None


class Node:
    """An anvil. Blocks follow each other by a second unless told; gas is free.

    Ape's own requests take four times as long, and fifty times when a transaction reverts.
    """

    def __init__(self, uri: str) -> None:
        address = urlsplit(uri)
        self._connection = HTTPConnection(address.hostname, address.port, timeout=60)
        self.request("anvil_setBlockTimestampInterval", 1)

    def close(self) -> None:
        self._connection.close()

    def batch(self, calls: list[tuple[str, list[Any]]]) -> list[dict[str, Any]]:
        """Several requests in one; those that change something must not go together."""
        if not calls:
            return []
        body = [
            {"jsonrpc": "2.0", "id": index, "method": method, "params": params}
            for index, (method, params) in enumerate(calls)
        ]
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", "/", json.dumps(body), headers)
        answers = json.loads(self._connection.getresponse().read())
        return sorted(answers, key=lambda answer: answer["id"])

    def request(self, method: str, *params: Any) -> Any:
        """One request's result."""
        (answer,) = self.batch([(method, list(params))])
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    # ---- time

    @property
    def now(self) -> int:
        """The time of the latest block, which views go by."""
        return int(self.request("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def next_block_at(self, timestamp: int) -> None:
        """The next block, and so the next transaction, comes at this time."""
        self.request("evm_setNextBlockTimestamp", timestamp)

    def mine_at(self, timestamp: int) -> None:
        """An empty block at this time, for views. Nothing is done when that is now."""
        if timestamp != self.now:
            self.next_block_at(timestamp)
            self.request("evm_mine")

    def snapshot(self) -> str:
        return self.request("evm_snapshot")

    def restore(self, snapshot: str) -> None:
        assert self.request("evm_revert", snapshot)

    # ---- transactions and calls

    def send(
        self, sender: str, to: str | None, data: str = "0x", value: int = 0, gas: int = GAS
    ) -> Receipt:
        """Sends from an account of the node, to None to deploy. Raises Reverted with its data."""
        transaction = {
            "from": sender,
            "data": data,
            "value": hex(value),
            "gas": hex(gas),
            "gasPrice": "0x0",
        }
        if to is not None:
            transaction["to"] = to
        hash_ = self.request("eth_sendTransaction", transaction)
        receipt = self._receipt(hash_)
        if receipt["status"] != "0x1":
            trace = self.request("debug_traceTransaction", hash_, {"tracer": "callTracer"})
            raise Reverted(trace.get("output", "0x"))
        return Receipt(
            logs=receipt["logs"],
            gas_used=int(receipt["gasUsed"], 16),
            timestamp=int(receipt["blockTimestamp"]),
            contract=receipt["contractAddress"],
        )

    def _receipt(self, hash_: str) -> dict[str, Any]:
        # On a busy machine the block comes a little after the answer. (anvil's own
        # eth_sendTransactionSync misses a block that comes before it listens.)
        for _ in range(MOST_POLLS):
            if receipt := self.request("eth_getTransactionReceipt", hash_):
                return receipt
            time.sleep(0.001)
        raise RuntimeError(f"not mined: {hash_}")

    def calls(self, to: str, datas: list[str], sender: str | None = None) -> list[str]:
        """Many calls at the latest block. Raises Reverted for the first that reverts."""
        origin = {"from": sender} if sender else {}
        batch = [("eth_call", [{"to": to, "data": data, **origin}, "latest"]) for data in datas]
        answers = self.batch(batch)
        for answer in answers:
            if "error" in answer:
                raise Reverted(answer["error"].get("data", "0x"))
        return [answer["result"] for answer in answers]

    # ---- accounts

    def balance(self, account: str) -> int:
        return self.balances([account])[0]

    def balances(self, accounts: list[str]) -> list[int]:
        answers = self.batch([("eth_getBalance", [account, "latest"]) for account in accounts])
        return [int(answer["result"], 16) for answer in answers]

    def set_balance(self, account: str, wei: int) -> None:
        self.request("anvil_setBalance", account, hex(wei))
