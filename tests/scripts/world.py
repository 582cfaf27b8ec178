"""A chain and the people on it, for the tests of the commands.

Every command is a real `ape run` process. It starts when it is called and is awaited when its
outcome is asked for, so that those which do not depend on each other run side by side.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any, ClassVar, Self

from eth_account import Account
from eth_typing import ChecksumAddress
from web3 import Web3
from web3.contract import Contract
from web3.types import RPCEndpoint, TxReceipt

from keeper.chain import records
from keeper.chain.abi import market_abi, oracle_abi
from keeper.domain.calendar import draw_time
from keeper.domain.draw import GAMES
from scripts import _records
from tests.keeper.chain.waiting import PATIENCE
from tests.keeper.ports import free_port

ROOT = Path(__file__).parents[2]
POL = 10**18

# Anvil's accounts, which are Ape's test accounts too.
PEOPLE = {
    "admin": "TEST::0",
    "operator": "TEST::1",
    "guardian": "TEST::2",
    "oracle": "TEST::3",
    "fees": "TEST::4",
    "ann": "TEST::5",
    "bob": "TEST::6",
    "cyd": "TEST::7",
    "dan": "TEST::10",
    "reporter": "TEST::11",
    "second": "TEST::12",
    "third": "TEST::13",
}
STRANGER = "0x00000000000000000000000000000000000000AA"
START = int(dt.datetime(2026, 8, 17, 12, tzinfo=dt.UTC).timestamp())  # a Monday
POWERBALL_DATE = dt.date(2026, 8, 19)
MEGA_DATE = dt.date(2026, 8, 18)
POWERBALL_DRAW = draw_time(GAMES["powerball"], POWERBALL_DATE)
MEGA_DRAW = draw_time(GAMES["mega-millions"], MEGA_DATE)
LOCK_LEAD, RESULT_WINDOW = 15 * 60, 72 * 3600


class Home:
    """Ape's data folder, with keystore accounts in it: of one the environment knows the key."""

    ALIAS, LOCKED, PASSPHRASE = "treasurer", "locked", "correct horse"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "accounts").mkdir()
        self.address, self.locked = (self._keystore(alias) for alias in (self.ALIAS, self.LOCKED))

    def _keystore(self, alias: str) -> ChecksumAddress:
        account = Account.create()
        keystore = Account.encrypt(account.key, self.PASSPHRASE, kdf="pbkdf2", iterations=1000)
        (self.folder / "accounts" / f"{alias}.json").write_text(json.dumps(keystore))
        return Web3.to_checksum_address(account.address)


class Run:
    """One `ape run` process."""

    def __init__(self, args: list[str], env: dict[str, str], typed: str | None) -> None:
        self.args = args
        self._typed = typed
        self._process = subprocess.Popen(
            ["ape", "run", *args],
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL if typed is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._done: tuple[str, str] | None = None

    def _outcome(self) -> tuple[int, str, str]:
        if self._done is None:
            self._done = self._process.communicate(self._typed, timeout=300)
        return self._process.returncode, *self._done

    def wait(self) -> None:
        """Until it has ended."""
        self._outcome()

    def ok(self) -> str:
        """What it printed, after it succeeded; without what Ape says of its connection."""
        code, out, err = self._outcome()
        assert code == 0, f"{self.args} exited with {code}\n{out}\n{err}"
        return "".join(line for line in out.splitlines(True) if not line.startswith("INFO"))

    def refused(self) -> str:
        """The one line that says why it failed."""
        code, out, err = self._outcome()
        assert code != 0, f"{self.args} did not fail\n{out}\n{err}"
        assert "Traceback" not in err + out
        lines = [line for line in err.splitlines() if line and not line.startswith("INFO")]
        assert len(lines) == 1, f"{self.args} said {len(lines)} lines:\n{err}\n{out}"
        assert lines[0].startswith("Error: ")
        return lines[0].removeprefix("Error: ")

    @property
    def out(self) -> str:
        """What it printed, however it ended."""
        return self._outcome()[1]


class World:
    """An anvil that makes a block a second, and a folder of deployment records.

    Attributes:
        folder: of the records.
        network: what --network is given; None leaves the option out.
        w3: looks at the chain, and prepares it, without the commands.
    """

    KEYS: ClassVar[list[str]] = [
        *("--operator", "TEST::1", "--guardian", "TEST::2"),
        *("--oracle", "TEST::3", "--fee-recipient", "TEST::4"),
    ]

    COMMITTEE: ClassVar[list[str]] = [
        *("--reporter", "TEST::11", "--reporter", "TEST::12", "--reporter", "TEST::13"),
        *("--quorum", "2", "--dispute-window", "30m", "--guardian", "TEST::2"),
    ]

    def __init__(self, home: Home, folder: Path, chain_id: int = 80002, name: str = "amoy") -> None:
        self.home, self.folder, self.chain_id = home, folder, chain_id
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.network: str | None = f"polygon:{name}:{self.url}"
        self.w3 = Web3(Web3.HTTPProvider(self.url, {"timeout": PATIENCE}))
        self.deployment: Run
        self.committee: Run

    def start(self) -> Self:
        """Starts the chain on 2026-08-17."""
        self._anvil = subprocess.Popen(
            [
                *("anvil", "--silent", "--block-time", "1", "--port", str(self.port)),
                *("--chain-id", str(self.chain_id), "--timestamp", str(START)),
                *("--accounts", "14"),
            ]
        )
        while not self.w3.is_connected():
            assert self._anvil.poll() is None, "anvil did not start"
            time.sleep(0.02)
        return self

    def stop(self) -> None:
        """Stops the chain."""
        self._anvil.terminate()
        self._anvil.wait(PATIENCE)
        assert isinstance(self.w3.provider, Web3.HTTPProvider)
        self.w3.provider._request_session_manager.session_cache.clear()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ---- the commands

    def ape(
        self,
        *args: str,
        by: str | None = None,
        typed: str | None = None,
        asks: bool = False,
        folder: Path | None = None,
    ) -> Run:
        """Starts `ape run ARGS` against this chain, with an account when `by` names one.

        It `asks` before it sends when told to, or when `typed` is what the user types; else it
        gets --yes. Without `typed` stdin is closed. `folder` holds other deployment records.
        """
        line = list(args)
        if self.network is not None and "--network" not in args:
            line += ["--network", self.network]
        if by is not None:
            line += ["--account", PEOPLE.get(by, by)]
            line += [] if asks or typed is not None else ["--yes"]
        env = os.environ | {
            "APE_DATA_FOLDER": str(self.home.folder),
            "LOTTOCHAIN_DEPLOYMENTS": str(folder or self.folder),
            f"APE_ACCOUNTS_{Home.ALIAS}_PASSPHRASE": Home.PASSPHRASE,
        }
        return Run(line, env, typed)

    # ---- the chain, without the commands

    def rpc(self, method: str, *params: Any) -> Any:
        """One JSON-RPC request."""
        answer = self.w3.provider.make_request(RPCEndpoint(method), list(params))
        assert "error" not in answer, answer
        return answer["result"]

    def load(self, other: World) -> None:
        """Takes over the state of another chain, and its clock."""
        self.rpc("anvil_loadState", other.rpc("anvil_dumpState"))
        self.at(int(other.w3.eth.get_block("latest")["timestamp"]) + 10)

    def at(self, moment: int) -> None:
        """Moves the chain's time on, in a new block."""
        self.rpc("evm_setNextBlockTimestamp", moment)
        self.rpc("evm_mine")

    @staticmethod
    def utc(moment: int) -> str:
        """As the commands write it."""
        return f"{dt.datetime.fromtimestamp(moment, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"

    def address(self, name: str) -> Any:
        """A person's address."""
        return self.w3.eth.accounts[int(PEOPLE[name].removeprefix("TEST::"))]

    def market(self, game: str = "powerball") -> Contract:
        """The market that the record names."""
        record = records.load(self.chain_id, self.folder)[game]
        return self.w3.eth.contract(Web3.to_checksum_address(record.address), abi=market_abi())

    def oracle(self) -> Contract:
        """The committee that the record names."""
        (address,) = _records.oracles(self.chain_id, self.folder)
        return self.w3.eth.contract(Web3.to_checksum_address(address), abi=oracle_abi())

    def balance(self, who: Any) -> int:
        """Wei."""
        return int(self.w3.eth.get_balance(who))

    def call(
        self, by: str, function: str, *args: Any, value: int = 0, of: Contract | None = None
    ) -> TxReceipt:
        """Sends a call of the Powerball market, or of another contract, past the commands."""
        bound = (of or self.market()).functions[function](*args)
        sent = bound.transact({"from": self.address(by), "value": Web3.to_wei(value, "wei")})
        self.rpc("evm_mine")
        receipt = self.w3.eth.wait_for_transaction_receipt(sent, poll_latency=0.02)
        assert receipt["status"] == 1
        return receipt

    def convene(self) -> None:
        """Lets the committee decide later Powerball rounds."""
        self.call("admin", "setOracle", self.oracle().address)

    def play(self) -> int:
        """A Powerball round on which ann, bob and cyd have bet; its id.

        EVEN 5 (ann) against ODD 3 (bob) and 1 (cyd); HIGH 2 (cyd) finds nobody.
        """
        self.call("operator", "createRound", POWERBALL_DRAW)
        self.call("ann", "placeBet", 1, 0, value=5 * POL)
        self.call("bob", "placeBet", 1, 1, value=3 * POL)
        self.call("cyd", "placeBet", 1, 1, value=1 * POL)
        self.call("cyd", "placeBet", 1, 2, value=2 * POL)
        return 1
