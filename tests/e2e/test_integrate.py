"""docs/integrate.md, done as it says: its commands run, its page stands in a real browser."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_utils import keccak
from playwright.async_api import Page, WebSocket, async_playwright, expect

from keeper.domain.calendar import next_draw_times
from keeper.domain.draw import POWERBALL
from keeper.domain.lines import Prediction
from tests.keeper.chain.waiting import PATIENCE, until
from tests.keeper.chainfixtures import ACCOUNTS, Chain, Deployed, E
from tests.keeper.ports import free_port

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "integrate.md").read_text()
COMMANDS, HTML = (re.findall(rf"```{kind}\n(.*?)```", GUIDE, re.DOTALL) for kind in ("sh", "html"))
SHORT, *GROWING = HTML
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
VISITOR, *OTHERS = ACCOUNTS
ABI = json.loads((ROOT / "keeper" / "abi" / "P2PLotteryBetting.json").read_text())

# All that the page's state is from now on.
SEEN = """
    window.seen = [];
    new MutationObserver(() => seen.push(state.textContent)).observe(state, { childList: true });
"""

expect.set_options(timeout=PATIENCE * 1000)


@dataclass
class Site:
    """All that the guide has its reader start, at ports of its own.

    Attributes:
        ports: by those that the guide has.
    """

    folder: Path
    ports: dict[int, int] = field(
        default_factory=lambda: {port: free_port() for port in (8000, 8080, 8545)}
    )

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @contextlib.asynccontextmanager
    async def running(self, script: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """A script of bash; killed at the end with all that it started."""
        usual = {k: v for k, v in os.environ.items() if not k.startswith("LOTTOCHAIN_")}
        environment = usual | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "APE_DATA_FOLDER": str(self.folder / "ape"),
            "LOTTOCHAIN_DEPLOYMENTS": str(self.folder / "deployments"),
            "LOTTOCHAIN_DATA_DIR": str(self.folder / "data"),
            "LOTTOCHAIN_HTTP_PORT": str(self.ports[8080]),
        }
        script = script.replace(".build/deployments", str(self.folder / "deployments"))
        script = script.replace("8545", str(self.ports[8545]))
        with (self.folder / "log").open("a") as log:
            process = await asyncio.create_subprocess_exec(
                *("bash", "-eo", "pipefail", "-c", script),
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    @contextlib.asynccontextmanager
    async def chain(self) -> AsyncIterator[Deployed]:
        """What the guide's commands but the last make: a market with a round."""
        *prepare, _ = COMMANDS[0].splitlines()
        port = self.ports[8545]
        listening = f"until (: >/dev/tcp/127.0.0.1/{port}) 2>/dev/null; do sleep 0.1; done"
        script = [
            f"{line.removesuffix('&')} --port {port} &\n{listening}"
            if line.startswith("anvil")
            else line
            for line in prepare
        ]
        async with self.running("\n".join(script)) as process, httpx.AsyncClient() as http:
            assert await asyncio.wait_for(process.wait(), 3 * PATIENCE) == 0, self.log
            record = json.loads((self.folder / "deployments" / "31337.json").read_text())
            address = record["markets"]["powerball"]["address"]
            chain = Chain(f"http://127.0.0.1:{port}", 31337, http, process)
            yield Deployed(chain, address, POWERBALL, 0)

    def keeper(self) -> contextlib.AbstractAsyncContextManager[asyncio.subprocess.Process]:
        """What the guide's last command starts."""
        return self.running(COMMANDS[0].splitlines()[-1])

    @contextlib.asynccontextmanager
    async def page(self) -> AsyncIterator[Page]:
        """A browser's tab, for which all is where the guide says."""
        assert "`python3 -m http.server 8000`" in GUIDE
        where = [f"MAP 127.0.0.1:{port} 127.0.0.1:{real}" for port, real in self.ports.items()]
        where.append(f"MAP localhost:8000 127.0.0.1:{self.ports[8000]}")
        flags = [*FLAGS.split(), f"--host-resolver-rules={','.join(where)}"]
        serve = f"cd {self.folder} && python3 -m http.server {self.ports[8000]}"
        async with self.running(serve), async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
            page = await browser.new_page(viewport={"width": 720, "height": 400})
            page.set_default_timeout(PATIENCE * 1000)
            yield page
            await browser.close()

    async def open(self, page: Page, *blocks: str) -> None:
        """A page that is made of these."""
        (self.folder / "index.html").write_text("".join(blocks))
        async with asyncio.timeout(PATIENCE):
            while True:
                with contextlib.suppress(Exception):
                    await page.goto("http://localhost:8000")
                    return
                await asyncio.sleep(0.1)


async def many_rounds(market: Deployed, count: int = 8) -> None:
    """Opens them, all in one block."""
    chain, now = market.chain, await market.chain.now()
    _, *later = next_draw_times(market.game, now, now + 50 * 24 * 3600)
    await chain.rpc("evm_setIntervalMining", 0)
    for draw in later[:count]:
        call = {"from": VISITOR, "to": market.address, "data": market.encode("createRound", draw)}
        await chain.rpc("eth_sendTransaction", call | {"gas": hex(200_000)})
    await chain.rpc("evm_mine")
    assert await market.read("roundCount") == 1 + count
    await chain.rpc("evm_setIntervalMining", 1)


async def shows(page: Page, *texts: str) -> None:
    """Waits for a row that begins with these texts."""
    row = page.locator("tr", has_text=re.compile("^" + r"\s*".join(map(re.escape, texts))))
    await expect(row).to_be_visible()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")
async def test_the_page_is_live_takes_a_bet_and_comes_back(tmp_path: Path) -> None:
    site = Site(tmp_path)
    heard: list[dict[str, Any]] = []
    faults: list[str] = []

    def listen(ws: WebSocket) -> None:
        ws.on("framereceived", lambda text: heard.append(json.loads(text)))

    def told(kind: str) -> list[dict[str, Any]]:
        return [m for m in heard if m["type"] == kind]

    async def bet(amount: str) -> None:
        await page.locator("input").fill(amount)
        await page.get_by_role("button", name="Bet").click()

    async with site.chain() as market, site.page() as page:
        page.on("websocket", listen)
        page.on("pageerror", lambda error: faults.append(str(error)))
        state, answer = page.locator("#state"), page.locator("output")
        async with site.keeper():
            # Twenty lines are a live round.
            await site.open(page, SHORT)
            await expect(page.locator("pre")).to_contain_text("EVEN or ODD: 0 and 0 wei, 0 matched")
            await market.bet(OTHERS[0], 1, Prediction.LOW, E)
            await expect(page.locator("pre")).to_contain_text(
                f"HIGH or LOW: 0 and {E} wei, 0 matched"
            )

            # So is the first block of what grows.
            await site.open(page, GROWING[0])
            await expect(page.locator("h1")).to_have_text("powerball, round 1")
            await shows(page, "EVEN", "0.00", "0.00 matched", "0.00", "ODD")
            await market.bet(OTHERS[0], 1, Prediction.EVEN, 3 * E)
            await shows(page, "EVEN", "3.00", "0.00 matched", "0.00", "ODD")

            # With the others it takes the visitor's bets.
            await site.open(page, *GROWING)
            await expect(state).to_contain_text(re.compile(r"^Bets are taken for \d d \d\d:"))
            options = await page.locator("option").evaluate_all("all => all.map((o) => o.text)")
            assert options == [p.name for p in Prediction]
            await page.locator("select").select_option("ODD")
            await bet("1001")
            await expect(answer).to_contain_text("a bet is from")
            await bet("4.25")
            await expect(answer).to_have_text("Sent")
            await shows(page, "EVEN", "3.00", "3.00 matched", "4.25", "ODD")
            await shows(page, "Round 1", "ODD", "4.25", "3.00 matched")
            ((prediction, amount, *_),) = await market.read("getUserBets", 1, VISITOR)
            assert (prediction, amount) == (Prediction.ODD, 17 * E // 4)
            await market.bet(OTHERS[1], 1, Prediction.EVEN, E // 2)
            await shows(page, "Round 1", "ODD", "4.25", "3.50 matched")

            # More that has to be asked about than may be asked in a second.
            await many_rounds(market)
            await until(
                lambda: any(len(m["data"].get("rounds", ())) == 9 for m in told("snapshot"))
            )
            assert "too_many_messages" not in [m["code"] for m in told("error")]
        # The server was killed, and somebody bets meanwhile.
        await expect(state).to_have_text("Connecting")
        await market.bet(OTHERS[1], 1, Prediction.EVEN, E // 2)
        heard.clear()
        async with site.keeper():
            await shows(page, "EVEN", "4.00", "4.00 matched", "4.25", "ODD")
            await shows(page, "Round 1", "ODD", "4.25", "4.00 matched")
            await expect(state).to_contain_text("Bets are taken for")
            await page.screenshot(path=tmp_path / "page.png")
            market_ = f"market:{market.address}"
            placed = [m for m in told("event") if m["event"] == "BetPlaced"]
            assert [m["data"]["user"] for m in placed if m["channel"] == market_] == [OTHERS[1]]
            fresh = [m["recovered"] for m in told("snapshot") if m["channel"] == market_]
            assert fresh == [True]

            # A connection on which nothing comes is given up; the next one is as good.
            await page.evaluate(SEEN)  # which may be over before we look
            await page.evaluate("hello.heartbeatMs = 500")
            await market.bet(OTHERS[1], 1, Prediction.HIGH, E)
            await page.wait_for_function("seen.includes('Connecting')")
            await expect(state).to_contain_text("Bets are taken for")
            await market.bet(OTHERS[2], 1, Prediction.EVEN, E)
            await shows(page, "EVEN", "5.00", "4.25 matched", "4.25", "ODD")
            await shows(page, "Round 1", "ODD", "4.25", "4.25 matched")
        assert faults == []


def test_the_first_page_has_the_lines_that_are_promised() -> None:
    assert SHORT.partition("<script>")[2].strip().count("\n") <= 20


def signature(entry: dict[str, Any]) -> str:
    return f"{entry['name']}({','.join(i['type'] for i in entry['inputs'])})"


def selector(signature: str) -> str:
    return "0x" + keccak(text=signature)[:4].hex()


def test_its_calls_are_those_of_the_contract() -> None:
    calls = re.findall(r"^\| `(\w+)\((.*?)\)`.*?\| `(\w+)` \|$", GUIDE, re.MULTILINE)
    assert len(calls) == 5
    functions = {e["name"]: e for e in ABI if e["type"] == "function"}
    for name, inputs, begins in calls:
        assert inputs == ", ".join(f"{i['type']} {i['name']}" for i in functions[name]["inputs"])
        assert begins == selector(signature(functions[name]))
