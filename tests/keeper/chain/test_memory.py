"""An idle keeper is small: the smallest server that there is to rent has room for it."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from demo.publishers import Publishers
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL
from tests.keeper.chain.conftest import DRAW
from tests.keeper.chain.process import Home, asking
from tests.keeper.chainfixtures import BETTORS, KEEPER, Chain, E
from tests.keeper.redisfixture import RedisServer

KB_A_MB = 1024  # as Linux counts
LIMIT = 130  # MB


def resident(pid: int) -> float:
    """MB of memory that a process holds."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert found
    return int(found[1]) / KB_A_MB


async def test_an_idle_keeper_of_both_markets_takes_little_memory(
    chain: Chain, tmp_path: Path, publishers: Publishers, redis: RedisServer
) -> None:
    """All parts of it at work: the chain read, served, its figures asked for, a lease held."""
    markets = [await chain.deploy(POWERBALL), await chain.deploy(MEGA_MILLIONS)]
    await markets[0].do(KEEPER, "createRound", DRAW)
    for user in BETTORS[:3]:
        for prediction in range(4):
            await markets[0].bet(user, 1, prediction, E // 100)
    home = Home.make(tmp_path, chain, markets, publishers)
    await redis.lends(f"lottochain:lease:{chain.chain_id}:{KEEPER}")
    async with home.keeper("--send", REDIS_URL=redis.url, LEASE_SECONDS="60") as keeper:
        url = (await keeper.until_logged("serving"))["url"]
        await keeper.until_logged("the chain is read")
        await keeper.until_logged("this keeper may send")
        await keeper.until_logged("done", duty="createRound", game="mega-millions")
        async with asking() as http:
            figures = (await http.get(f"{url}/metrics")).text
            assert (await http.get(f"{url}/api/round")).status_code == 200
        taken = resident(keeper.process.pid)
        print(f"{taken:.0f} MB")
        assert taken < LIMIT
        families = {f.name: f.samples for f in text_string_to_metric_families(figures)}
        (own,) = families["process_resident_memory_bytes"]
        assert own.value / 2**20 < LIMIT
        (held,) = families["lottochain_lease_held"]
        assert held.value == 1
