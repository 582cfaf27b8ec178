"""Sends the keeper's transactions: simulated, priced, written down, sent, watched to their end.

One at a time: a nonce's transactions, the first one and those that took its place, stay live until
one of them is mined or none can be any more. So whatever happens between two steps, a kill, a dead
node or a full disk, no duty is ever on its way twice.
"""

import asyncio
import contextlib
import time
from dataclasses import replace
from typing import Any

import structlog
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress, HexStr
from web3.exceptions import TransactionNotFound

from keeper import metrics
from keeper.chain.contracts import Contract
from keeper.chain.fees import Pricing, dearer, going_rate, priced
from keeper.chain.rpc import Rpc
from keeper.errors import KeeperError, NotInCharge, NotMined, Reverted, RpcDown, RpcRefused
from keeper.ports import DryRun, Intent, Journal, Lease, Sent

log = structlog.get_logger()

NOBODY = "0x0000000000000000000000000000000000000000"
_LOOK = 0.2  # seconds between looks for a receipt
_LOOKS = 10  # for the receipt of a nonce that was used; then another transaction used it
_RAISE, _DOUBLE = 13, 100  # percent: of what is not mined, of what nodes find too little

# What nodes say of a nonce that was used, and of fees below what they or the block take.
_USED = ("nonce too low",)
_TOO_LITTLE = ("underpriced", "less than block base fee", "fee too low", "tip too low")


class Simulator:
    """Sends nothing: shows what would be sent."""

    def __init__(self, rpc: Rpc, address: str | None) -> None:
        self.rpc, self.address = rpc, address

    async def send(self, contract: Contract, function: str, *args: Any) -> Sent | DryRun:
        """Simulates. Raises ChainError, Reverted when the contract refuses."""
        await self._simulate(contract.address, contract.encode(function, *args))
        return DryRun(function)

    async def _simulate(self, to: str, data: str) -> None:
        await self.rpc.ask(self.rpc.w3.eth.call(self._call(to, data)))

    def _call(self, to: str, data: str) -> Any:
        return {"from": self.address or NOBODY, "to": to, "data": data, "value": 0}


class KeySender(Simulator):
    """One sender for one key. Without a lease it is taken for the only one of that key.

    Attributes:
        address: the key's account.
    """

    address: ChecksumAddress

    def __init__(
        self,
        rpc: Rpc,
        account: LocalAccount,
        pricing: Pricing,
        journal: Journal,
        lease: Lease | None = None,
    ) -> None:
        super().__init__(rpc, account.address)
        self._account, self._pricing = account, pricing
        self._journal, self._lease = journal, lease
        self._turn = asyncio.Lock()
        self._unsure = True  # whether any node has what is live
        self._foreign: dict[int, float] = {}  # what waits and is in no journal, since when

    async def send(self, contract: Contract, function: str, *args: Any) -> Sent:
        """Sees to its end what is live, simulates, sends, awaits the receipt.

        When cancelled, it waits a little for what is on its way. Raises ChainError: Reverted when
        the contract refuses; NotMined when a transaction of this key still waits; TooExpensive,
        Unfunded, RpcDown, RpcRefused. Raises JournalError and NotInCharge, then without sending.
        """
        data = contract.encode(function, *args)
        async with self._turn:
            on_its_way = asyncio.ensure_future(self._deliver(contract.address, data, function))
            try:
                return await asyncio.shield(on_its_way)
            except asyncio.CancelledError:
                await asyncio.wait({on_its_way}, timeout=self._pricing.farewell)
                on_its_way.cancel()
                with contextlib.suppress(asyncio.CancelledError, KeeperError):
                    await on_its_way
                raise

    async def watch(self) -> None:
        """For ever sees to its end what is live, also when no duty comes that waits for it."""
        while True:
            await self.recover()
            await asyncio.sleep(self._pricing.replace_after)

    async def recover(self) -> None:
        """Sees to its end what an earlier keeper, or one that did not wait so long, left live."""
        async with self._turn:
            if not self._journal.live:
                return
            log.info("a transaction was on its way", hash=self._journal.live[-1].hash)
            try:
                await self._to_its_end()
            except NotMined as exc:
                log.warning("what was on its way still is", why=str(exc))

    async def _deliver(self, to: str, data: str, function: str) -> Sent:
        self._in_charge()
        await self._to_its_end()
        await self._simulate(to, data)
        nonce = await self._next_nonce()
        terms = await priced(self.rpc, self._pricing, self._call(to, data))
        draft = Intent(nonce, function, to, data, *terms, hash="", raw="")
        await self._issue(draft, alone=True)
        if (mined := await self._to_its_end()) is None:
            raise NotMined(f"nonce {nonce} of {self.address} was used by another transaction")
        sent, status = mined
        if status != 1:
            # The chain moved on between simulation and block; simulated again it tells why.
            await self._simulate(to, data)
            raise Reverted("", {"transaction": sent.tx_hash})
        return sent

    async def _next_nonce(self) -> int:
        """The first that is not used. One that waits unknown is given a while, then replaced."""
        nonce, pending = await self._nonces()
        if pending > nonce:
            now = time.monotonic()
            self._foreign = {nonce: self._foreign.get(nonce, now)}
            if now - self._foreign[nonce] < self._pricing.replace_after:
                raise NotMined(f"nonce {nonce} of {self.address} waits, sent by somebody else")
            log.warning("replacing a transaction that is in no journal", nonce=nonce)
        return nonce

    async def _nonces(self) -> tuple[int, int]:
        """The number of the account's transactions that are mined, and with those that wait."""
        count, ask, me = self.rpc.w3.eth.get_transaction_count, self.rpc.ask, self.address
        return await ask(count(me, "latest")), await ask(count(me, "pending"))

    def _in_charge(self) -> None:
        if self._lease and not self._lease.held:
            raise NotInCharge("another keeper has the lease of this key, or Redis does not answer")

    # ---- what is live

    async def _issue(self, draft: Intent, *, alone: bool) -> None:
        """Signs, writes down and sends; for more as long as nodes find the fees too low.

        Alone, it is the first of its nonce, or those before it were all refused. Raises
        RpcRefused when no node takes one that is alone: then nothing is live. When no node
        answers, nobody can tell, and it stays live.
        """
        self._in_charge()
        intent = self._signed(draft)
        await self._journal.intend(intent)
        metrics.TRANSACTIONS.labels("sent" if alone else "replaced").inc()
        try:
            await self._broadcast(intent)
        except RpcRefused as exc:
            why = str(exc).lower()
            cheap = any(words in why for words in _TOO_LITTLE)
            if more := dearer(intent, _DOUBLE, self._pricing.max_fee) if cheap else None:
                await self._issue(more, alone=alone)
            elif alone and not any(words in why for words in _USED):
                await self._end("refused", why=str(exc))
                raise

    def _signed(self, draft: Intent) -> Intent:
        fees = {"maxFeePerGas": draft.max_fee, "maxPriorityFeePerGas": draft.tip, "type": 2}
        call = {"to": draft.to, "data": draft.data, "value": 0, "gas": draft.gas}
        tx: Any = {**call, **fees, "nonce": draft.nonce, "chainId": self.rpc.chain_id}
        signed = self._account.sign_transaction(tx)
        raw = signed.raw_transaction.to_0x_hex()
        return replace(draft, hash=signed.hash.to_0x_hex(), raw=raw)

    async def _broadcast(self, intent: Intent) -> None:
        """To all nodes. Raises RpcRefused; when none answers, nobody knows who has it."""
        self._unsure = True  # until a node says that it has it
        with contextlib.suppress(RpcDown):
            await self.rpc.broadcast(intent.raw)
            self._unsure = False

    async def _to_its_end(self) -> tuple[Sent, int] | None:
        """Waits until a live transaction is mined, and makes that happen.

        None: there is none, or there is none any more. Raises NotMined, then it is still live.
        """
        began = time.monotonic()
        replace_at, looks, trouble = began + self._pricing.replace_after, 0, "is not mined yet"
        while self._journal.live:
            newest, now = self._journal.live[-1], time.monotonic()
            try:
                if mined_one := await self._seen_mined():
                    return mined_one
                mined, pending = await self._nonces()
                if mined > newest.nonce:
                    looks += 1
                    if looks > _LOOKS:
                        await self._end("lost", why="the nonce was used by another transaction")
                elif self._unsure:
                    await self._again(newest, waits=pending > newest.nonce)
                elif now >= replace_at:
                    replace_at = now + self._pricing.replace_after
                    await self._replace(newest)
            except KeeperError as exc:
                trouble = f"is not known to be mined: {exc}"
            if self._journal.live and now - began > self._pricing.patience:
                raise NotMined(f"transaction {self._journal.live[-1].hash} was sent and {trouble}")
            await asyncio.sleep(_LOOK)
        return None

    async def _seen_mined(self) -> tuple[Sent, int] | None:
        """What is live, once it is mined, and its status; then nothing is live any more."""
        for intent in self._journal.live:
            with self.rpc.asking(), contextlib.suppress(TransactionNotFound):
                receipt = await self.rpc.w3.eth.get_transaction_receipt(HexStr(intent.hash))
                gas, block, status = (int(receipt[k]) for k in ("gasUsed", "blockNumber", "status"))
                cost = gas * int(receipt["effectiveGasPrice"])
                break
        else:
            return None
        metrics.GAS_SPENT.inc(cost)
        done = {"hash": intent.hash, "block": block, "status": status, "cost": cost}
        await self._end("mined", **done)
        return Sent(intent.hash, block, gas), status

    async def _again(self, intent: Intent, *, waits: bool) -> None:
        """Sends what may never have arrived, unless it has become impossible meanwhile."""
        try:
            await self._simulate(intent.to, intent.data)
        except Reverted as exc:
            if not waits:
                await self._end("lost", why=str(exc))
            self._unsure = False
            return
        self._in_charge()
        try:
            await self._broadcast(intent)
        except RpcRefused as exc:
            self._unsure = False  # dearer, or not at all
            log.warning("sent again in vain", nonce=intent.nonce, why=str(exc))

    async def _replace(self, intent: Intent) -> None:
        """The same nonce for more, as far as the settings go."""
        self._in_charge()
        cap, rate = self._pricing.max_fee, await going_rate(self.rpc, self._pricing)
        told = log.bind(nonce=intent.nonce, function=intent.function)
        if more := dearer(intent, _RAISE, cap, rate):
            told.warning("not mined: replacing it", max_fee=more.max_fee, tip=more.tip)
            await self._issue(more, alone=False)
        else:
            told.warning("not mined, and the settings allow no more", max_fee=cap)
            await self._broadcast(intent)

    async def _end(self, event: str, **what: Any) -> None:
        await self._journal.end(event, **what)
        metrics.TRANSACTIONS.labels(event if what.get("status", 1) else "reverted").inc()
