"""A deployed contract: transactions in blocks of exact times, views in batches, errors decoded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.contracts.support.codec import Abi, Event, Refused
from tests.contracts.support.node import GAS, Node, Receipt, Reverted


@contextmanager
def refused(name: str, *values: Any) -> Iterator[pytest.ExceptionInfo[Refused]]:
    """Inside, the contract must revert with this custom error and these values."""
    with pytest.raises(Refused) as caught:
        yield caught
    assert (caught.value.name, *caught.value.values) == (name, *values)


@dataclass(frozen=True, slots=True)
class Contract:
    """One contract. Times are unix seconds, amounts wei, people addresses."""

    node: Node
    abi: Abi
    address: str

    def transact(
        self,
        function: str,
        *args: Any,
        by: str,
        value: int = 0,
        at: int | None = None,
        gas: int = GAS,
    ) -> Receipt:
        """Sends a transaction, in a block of time `at`. Raises Refused."""
        if at is not None:
            self.node.next_block_at(at)
        try:
            return self.node.send(by, self.address, self.abi.call(function, *args), value, gas)
        except Reverted as reverted:
            raise self.abi.refusal(reverted.data) from None

    def do(self, function: str, *args: Any, **how: Any) -> list[Event]:
        """As `transact`; this contract's events."""
        return self.own(self.transact(function, *args, **how))

    def own(self, receipt: Receipt) -> list[Event]:
        """This contract's events in a receipt."""
        logs = (log for log in receipt.logs if log["address"] == self.address.lower())
        return [self.abi.event(log) for log in logs]

    def ask(self, function: str, *args: Any, at: int | None = None) -> Any:
        """Calls a view, at the latest block or in a block of time `at`. Raises Refused."""
        if at is not None:
            self.node.mine_at(at)
        return self.ask_all([(function, *args)])[0]

    def ask_all(self, questions: list[tuple[Any, ...]], sender: str | None = None) -> list[Any]:
        """Many views in one request: (function, arguments...) each. Raises Refused."""
        datas = [self.abi.call(*question) for question in questions]
        try:
            answers = self.node.calls(self.address, datas, sender)
        except Reverted as reverted:
            raise self.abi.refusal(reverted.data) from None
        return [
            self.abi.answer(question[0], answer)
            for question, answer in zip(questions, answers, strict=True)
        ]
