"""A real local chain for the keeper's tests: anvil, the compiled contracts, people who bet.

Nothing of the keeper is used here but its records of games, so that the tests look at the chain
with other eyes than the keeper's.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import subprocess
import tomllib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import httpx
from eth_abi.abi import decode
from eth_utils.address import to_checksum_address
from web3 import Web3

from keeper.domain.draw import Game
from tests.keeper.chain.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
BUILD = ROOT / ".cache" / "tests"
CONTRACTS = ("P2PLotteryBetting", "ResultOracle")
E = 10**18
FINALIZED, CANCELLED = 3, 4  # how a round stands, as the market numbers it

# The accounts and keys that every anvil has.
ACCOUNTS = [
    to_checksum_address(a)
    for a in (
        "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266",
        "0x70997970c51812dc3a010c7d01b50e0d17dc79c8",
        "0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc",
        "0x90f79bf6eb2c4f870365e785982e1f101e93b906",
        "0x15d34aaf54267db7d7c367839aaf71a00a2c6a65",
        "0x9965507d1a55bcc2695c58ba16fb37d819b0a4dc",
        "0x976ea74026e726554db657fa54763abd0c3a0aa9",
        "0x14dc79964da2c08b23698b3d3cc7ca32193d9955",
        "0x23618e81e3f5cdf7f54c3d65f7fbc0abf5b21e8f",
        "0xa0ee7a142d267c1f36714e4a8f75612f20a79720",
    )
]
ADMIN, KEEPER, FEES, *BETTORS = ACCOUNTS
KEEPER_KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
# Of the last three of them, who report to a committee.
REPORTERS = ACCOUNTS[-3:]
REPORTER_KEYS = (
    "0x4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
    "0xdbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97",
    "0x2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6",
)

# Creation code of receivers: one refuses every payment, one burns all its gas, one accepts
# where gas is free, as in simulations, and refuses elsewhere.
REFUSES = "0x60048060093d393df35f5ffd00"
BURNS = "0x60048060093d393df35b5f5600"
TRICKS = "0x60098060093d393df33a600557005b5f5ffd"


def code_of(contract: str = "P2PLotteryBetting") -> Mapping[str, Any]:
    """{"abi": [...], "bytecode": "0x..."} of a contract."""
    return _codes()[contract]


@cache
def _codes() -> Mapping[str, Mapping[str, Any]]:
    """Of all by name, compiled as foundry.toml says; kept."""
    profile = tomllib.loads((ROOT / "foundry.toml").read_text())["profile"]["default"]
    settings = {
        "remappings": ["@openzeppelin/contracts/=node_modules/@openzeppelin/contracts/"],
        "optimizer": {"enabled": profile["optimizer"], "runs": profile["optimizer_runs"]},
        "viaIR": profile["via_ir"],
        "evmVersion": profile["evm_version"],
        "outputSelection": {"*": {name: ["abi", "evm.bytecode.object"] for name in CONTRACTS}},
    }
    digest = hashlib.sha256(json.dumps(settings).encode())
    for path in sorted((ROOT / "contracts").rglob("*.sol")):
        digest.update(path.read_bytes())
    kept = BUILD / f"contracts-{digest.hexdigest()[:16]}.json"
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes, one compilation
        if not kept.exists():
            kept.write_text(json.dumps(_compile(settings)))
    code: Mapping[str, Any] = json.loads(kept.read_text())
    return code


def _compile(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    paths = {name: f"contracts/{name}.sol" for name in CONTRACTS}
    sources = {path: {"content": (ROOT / path).read_text()} for path in paths.values()}
    asked = {"language": "Solidity", "sources": sources, "settings": settings}
    done = subprocess.run(
        [ROOT / ".solcx" / "solc-v0.8.30", "--standard-json", "--base-path", ROOT],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    answer = json.loads(done.stdout)
    errors = [e for e in answer.get("errors", []) if e["severity"] == "error"]
    assert not errors, errors[0]["formattedMessage"]
    found = {name: answer["contracts"][path][name] for name, path in paths.items()}
    return {
        name: {"abi": code["abi"], "bytecode": "0x" + code["evm"]["bytecode"]["object"]}
        for name, code in found.items()
    }


@dataclass
class Chain:
    """A running anvil. Transactions are mined at once, a block each, unless told otherwise."""

    url: str
    chain_id: int
    http: httpx.AsyncClient
    process: asyncio.subprocess.Process

    async def rpc(self, method: str, *params: Any) -> Any:
        """The result of a JSON-RPC call."""
        asked = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = (await self.http.post(self.url, json=asked)).json()
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    async def send(self, sender: str, to: str | None, data: str, value: int = 0) -> dict[str, Any]:
        """Sends from an account that anvil holds; the receipt. Fails when it reverts."""
        tx = {"from": sender, "data": data, "value": hex(value)} | ({"to": to} if to else {})
        tx_hash = await self.rpc("eth_sendTransaction", tx)
        while (receipt := await self.rpc("eth_getTransactionReceipt", tx_hash)) is None:
            await asyncio.sleep(0.005)  # mined, but not indexed yet
        assert int(receipt["status"], 16) == 1, receipt
        found: dict[str, Any] = receipt
        return found

    async def number(self) -> int:
        return int(await self.rpc("eth_blockNumber"), 16)

    async def now(self) -> int:
        """The newest block's timestamp."""
        return int((await self.rpc("eth_getBlockByNumber", "latest", False))["timestamp"], 16)

    async def move_to(self, timestamp: int) -> None:
        """Mines a block of that time."""
        await self.rpc("evm_setNextBlockTimestamp", timestamp)
        await self.rpc("evm_mine")

    async def balance(self, account: str) -> int:
        return int(await self.rpc("eth_getBalance", account, "latest"), 16)

    async def deploy_code(self, creation: str) -> str:
        """The address of a contract made by this creation code."""
        address: str = (await self.send(ADMIN, None, creation))["contractAddress"]
        return to_checksum_address(address)

    async def deploy(
        self, game: Game, *, operator: str = KEEPER, oracle: str = KEEPER, fee_bps: int = 200
    ) -> Deployed:
        """A market whose bets are from 1 gwei to 1,000 coins."""
        rules = (game.name, game.white_max, game.special_max, game.draw_days, game.draw_second)
        params = (rules, 0, ADMIN, operator, ADMIN, oracle, FEES, fee_bps, 10**9, 1000 * E)
        receipt = await self._create("P2PLotteryBetting", params)
        address = to_checksum_address(receipt["contractAddress"])
        return Deployed(self, address, game, int(receipt["blockNumber"], 16))

    async def deploy_oracle(
        self, reporters: Sequence[str] = REPORTERS, quorum: int = 2, dispute_window: int = 3600
    ) -> DeployedOracle:
        """A committee whose guardian is ADMIN."""
        args = (reporters, quorum, dispute_window, ADMIN)
        receipt = await self._create("ResultOracle", *args)
        return DeployedOracle(self, to_checksum_address(receipt["contractAddress"]))

    async def _create(self, contract: str, *args: Any) -> dict[str, Any]:
        code = code_of(contract)
        factory = Web3().eth.contract(abi=code["abi"], bytecode=code["bytecode"])
        return await self.send(ADMIN, None, factory.constructor(*args).data_in_transaction)


@dataclass
class OnChain:
    """A contract on the chain, seen and used by others than the keeper."""

    chain: Chain
    address: str

    contract: ClassVar[str]

    @property
    def abi(self) -> Sequence[Any]:
        found: Sequence[Any] = code_of(self.contract)["abi"]
        return found

    def encode(self, function: str, *args: Any) -> str:
        return str(Web3().eth.contract(abi=self.abi).encode_abi(function, args))

    async def do(self, sender: str, function: str, *args: Any, value: int = 0) -> dict[str, Any]:
        """Calls a function in a transaction; the receipt."""
        data = self.encode(function, *args)
        return await self.chain.send(sender, self.address, data, value)

    async def read(self, function: str, *args: Any) -> Any:
        """What a view returns; several values, or a struct, as a tuple."""
        call = {"to": self.address, "data": self.encode(function, *args)}
        raw = await self.chain.rpc("eth_call", call, "latest")
        entry = self._entry(function)
        values = decode([_type(o) for o in entry["outputs"]], bytes.fromhex(raw[2:]))
        return values[0] if len(values) == 1 else values

    async def logs(self, event: str) -> list[dict[str, Any]]:
        """All of an event."""
        entry = self._entry(event)
        kinds = ",".join(map(_type, entry["inputs"]))
        topic = Web3.to_hex(Web3.keccak(text=f"{event}({kinds})"))
        query = {"address": self.address, "fromBlock": "0x0", "topics": [topic]}
        found: list[dict[str, Any]] = await self.chain.rpc("eth_getLogs", query)
        return found

    def _entry(self, name: str) -> Any:
        """The function or event in the ABI."""
        return next(e for e in self.abi if e.get("name") == name)


@dataclass
class DeployedOracle(OnChain):
    """A committee on the chain."""

    contract = "ResultOracle"

    async def reports(self) -> list[tuple[str, str]]:
        """(reporter, evidence) of every report to it, in order."""
        return [
            (to_checksum_address("0x" + log["topics"][3][-40:]), "0x" + log["data"][-64:])
            for log in await self.logs("ResultReported")
        ]


@dataclass
class Deployed(OnChain):
    """A market on the chain."""

    contract = "P2PLotteryBetting"
    game: Game
    block: int

    async def bet(self, user: str, round_id: int, prediction: int, amount: int) -> None:
        await self.do(user, "placeBet", round_id, prediction, value=amount)

    async def bet_through(self, contract: str, round_id: int, prediction: int, amount: int) -> None:
        """A bet of a contract that cannot place one itself."""
        await self.chain.rpc("anvil_impersonateAccount", contract)
        await self.chain.rpc("anvil_setBalance", contract, hex(amount + E))
        await self.bet(contract, round_id, prediction, amount)

    async def status(self, round_id: int) -> int:
        status: int = (await self.read("getRoundInfo", round_id))[2]
        return status

    def record(self) -> dict[str, Any]:
        """Its entry in a deployment record."""
        g = self.game
        names = ("name", "whiteMax", "specialMax", "drawDays", "drawSecond")
        values = (g.name, g.white_max, g.special_max, g.draw_days, g.draw_second)
        return {
            "contract": "P2PLotteryBetting",
            "address": self.address,
            "blockNumber": self.block,
            "transaction": "0x" + "00" * 32,
            "deployer": ADMIN,
            "arguments": {"game": dict(zip(names, values, strict=True))},
            "compiler": {
                "name": "solc",
                "version": "0.8.30",
                "evmVersion": "cancun",
                "optimizerRuns": 1,
                "viaIR": True,
            },
            "abiHash": "0x" + "00" * 32,
        }


def write_record(folder: Path, chain_id: int, markets: Iterable[Deployed]) -> None:
    """A deployment record for the keeper to read."""
    document = {"chainId": chain_id, "markets": {m.game.name: m.record() for m in markets}}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{chain_id}.json").write_text(json.dumps(document))


def _type(output: Mapping[str, Any]) -> str:
    kind: str = output["type"]
    if kind.startswith("tuple"):
        inner = ",".join(_type(c) for c in output["components"])
        return f"({inner}){kind.removeprefix('tuple')}"
    return kind


@contextlib.asynccontextmanager
async def running_chain(timestamp: int, *args: str, chain_id: int = 31337) -> AsyncIterator[Chain]:
    """An anvil on a port of its own, whose clock starts at `timestamp`."""
    options = ["--port", "0", "--timestamp", str(timestamp), "--chain-id", str(chain_id), *args]
    process = await asyncio.create_subprocess_exec(
        ROOT / ".venv" / "bin" / "anvil", *options, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        while not (line := await process.stdout.readline()).startswith(b"Listening on"):
            assert line, "anvil ended"
        url = f"http://{line.split()[-1].decode()}"
        drain = asyncio.create_task(process.stdout.read())
        async with httpx.AsyncClient(timeout=PATIENCE) as http:
            yield Chain(url, chain_id, http, process)
        process.kill()
        await drain
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
