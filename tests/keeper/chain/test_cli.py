"""The commands as processes: what they print, how they end, and one line for each mistake."""

from __future__ import annotations

import datetime as dt
import json
import re
from itertools import product
from pathlib import Path

import pytest
from eth_account import Account
from eth_utils.crypto import keccak

from demo.publishers import REAL_DRAWS, Fault, FaultKind, Publishers, shapes
from demo.publishers.faults import Entry
from keeper import show
from keeper.domain.calendar import draw_time, next_draw_times
from keeper.domain.draw import POWERBALL
from keeper.sources import publishing
from tests.keeper.chain.conftest import DRAW
from tests.keeper.chain.process import LONG, Home
from tests.keeper.chainfixtures import BETTORS, KEEPER, KEEPER_KEY, Chain, Deployed, E

GAME, DATE = "powerball", "2026-08-19"
KEY = (GAME, GAME)


@pytest.fixture
def home(tmp_path: Path, publishers: Publishers) -> Home:
    """A keeper's home without a chain."""
    urls = {f"SOURCES__{n.upper()}": url for n, url in publishers.urls.items()}
    return Home(tmp_path, {**urls, "SOURCE_TIMEOUT": LONG, "DATA_DIR": str(tmp_path / "data")})


@pytest.fixture
def on_chain(tmp_path: Path, chain: Chain, deployed: Deployed, publishers: Publishers) -> Home:
    """A keeper's home on a chain with a Powerball market and one round."""
    return Home.make(tmp_path, chain, [deployed], publishers)


def cells(line: str) -> list[str]:
    """Of a line of a table."""
    return re.split("  +", line)


# ---- draw


@pytest.mark.parametrize(
    ("faults", "code", "verdict", "sentence"),
    [
        ({}, 0, "agreed", "agreed by ny, texas, california: 10 21 58 61 64 + 17, n = 64"),
        (
            {"texas": Fault(FaultKind.LIE, special=16)},
            0,
            "agreed",
            "agreed by ny, california: 10 21 58 61 64 + 17, n = 64; texas says otherwise",
        ),
        (
            {"texas": Fault(FaultKind.LIE, special=16), "ny": Fault(FaultKind.LIE, special=15)},
            4,
            "differ",
            "no two of ny, texas, california agree",
        ),
        (
            {"texas": Fault(FaultKind.LIE, special=16), "ny": Fault(FaultKind.DOWN)},
            4,
            "differ",
            "no two of texas, california agree",
        ),
        (
            {"texas": Fault(FaultKind.DOWN), "ny": Fault(FaultKind.STATUS, status=503)},
            3,
            "pending",
            "pending: ny, texas missing",
        ),
    ],
)
async def test_draw_tells_what_each_says_and_what_follows(
    home: Home,
    publishers: Publishers,
    faults: dict[str, Fault],
    code: int,
    verdict: str,
    sentence: str,
) -> None:
    publishers.faults.update({(name, GAME): fault for name, fault in faults.items()})
    as_text = await home.command("draw", GAME, DATE)
    as_json = await home.command("draw", GAME, DATE, "--json")
    assert as_text[0] == as_json[0] == code, as_text
    lines = as_text[1].splitlines()
    heads = ["source", "ny", "texas", "california"]
    assert [cells(line)[0] for line in lines[:4]] == heads
    assert lines[4:] == [sentence]
    told = json.loads(as_json[1])
    assert (told["game"], told["date"], told["verdict"]) == (GAME, DATE, verdict)
    assert [s["source"] for s in told["sources"]] == ["ny", "texas", "california"]
    if code == 0:
        assert (told["winningNumber"], told["whites"]) == (64, [10, 21, 58, 61, 64])
    assert as_text[2] == as_json[2] == ""


NEXT_YEAR = next_draw_times(POWERBALL, DRAW + 20 * 31_536_000, DRAW + 21 * 31_536_000)[0]


@pytest.mark.parametrize(
    ("game", "date", "line"),
    [
        ("lotto", DATE, "unknown game 'lotto': it is one of powerball, mega-millions"),
        (GAME, "2026-08-20", "powerball has no draw on 2026-08-20 (Thursday)"),
        (GAME, "yesterday", "'yesterday' is no date: write it as 2026-08-19"),
        (GAME, "2026-02-30", "'2026-02-30' is no date: write it as 2026-08-19"),
        (
            GAME,
            str(dt.datetime.fromtimestamp(NEXT_YEAR - 86_400 // 2, dt.UTC).date()),
            "is not drawn before",
        ),
    ],
)
async def test_draw_refuses_bad_input_in_one_line(
    home: Home, publishers: Publishers, game: str, date: str, line: str
) -> None:
    code, out, err = await home.command("draw", game, date)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("keeper: ")
    assert line in err
    assert publishers.requests == []


def test_a_table_is_aligned_and_harmless_to_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show.table(("a", "long header", "c"), [("wide cell", 1, "\x1b[2J\n"), ("b", "", "end")])
    assert capsys.readouterr().out == (
        "a          long header  c\nwide cell  1            ?[2J?\nb                       end\n"
    )


# ---- sources probe


async def test_probe_shows_each_publisher_s_answer(home: Home, publishers: Publishers) -> None:
    code, out, err = await home.command("sources", "probe", GAME, DATE)
    assert (code, err) == (0, "")
    rows = [cells(line) for line in out.splitlines()]
    assert [(source, what) for source, what, _ in rows] == [
        ("source", "what"),
        *product(publishing(POWERBALL), ("asked", "status", "says")),
    ]
    values = {(source, what): value for source, what, value in rows}
    for source in publishing(POWERBALL):
        assert values[source, "says"] == "10 21 58 61 64 + 17, n = 64"
    body = shapes.texas(
        POWERBALL, [Entry(d, shown=True) for d in REAL_DRAWS[1::-1]]
    ).encode()  # newest first
    where = f"{publishers.urls['texas']}/export/sites/lottery/Games/Powerball"
    assert values["texas", "asked"].startswith(f"{where}/Winning_Numbers/powerball.csv at 20")
    digest = keccak(body).hex()
    assert values["texas", "status"] == f"200, {len(body)} bytes, keccak256 0x{digest}"


@pytest.mark.parametrize(
    ("faults", "code", "says"),
    [
        ({"nyopendata": Fault(FaultKind.LIE, special=16)}, 4, "10 21 58 61 64 + 16, n = 14"),
        ({"newjersey": Fault(FaultKind.MISSING)}, 3, f"pending: no result for {DATE} yet"),
        ({"massachusetts": Fault(FaultKind.STATUS)}, 3, "failed, status: HTTP 500"),
        ({"massachusetts": Fault(FaultKind.DOWN)}, 3, "failed, unreachable: "),
    ],
)
async def test_probe_tells_what_is_wrong(
    home: Home, publishers: Publishers, faults: dict[str, Fault], code: int, says: str
) -> None:
    publishers.faults.update({(name, GAME): fault for name, fault in faults.items()})
    got, out, _ = await home.command("sources", "probe", GAME, DATE)
    assert got == code
    assert f"  says    {says}" in out
    if "unreachable" in says:
        empty = keccak(b"").hex()
        assert f"  status  no answer, 0 bytes, keccak256 0x{empty}\n" in out


async def test_probe_asks_the_named_and_prints_what_came(
    home: Home, publishers: Publishers
) -> None:
    args = ("sources", "probe", GAME, DATE, "--source", "texas", "--source", "ny")
    code, out, _ = await home.command(*args, "--raw")
    assert code == 0
    assert {name for name, _ in publishers.requests} == {"texas", "ny"}
    assert "\ntexas   asked   http" in out
    assert "\ntexas   body    Powerball,8,19,2026,10,21,58,61,64,17,2\n" in out
    assert '\nny      body    {"data": {"draws": [' in out


async def test_what_is_printed_is_bounded_and_harmless_to_a_terminal(
    home: Home, publishers: Publishers
) -> None:
    probe = ("sources", "probe", GAME, DATE, "--source", "texas", "--raw")
    publishers.faults["texas", GAME] = Fault(FaultKind.OVERSIZE)
    code, out, _ = await home.command(*probe)
    assert code == 3
    assert f"\ntexas   more    {(1 << 20) - show.RAW} bytes\n" in out
    assert len(out) < show.RAW + 1000
    publishers.faults["texas", GAME] = Fault(FaultKind.HTML, text="\x1b[2J\x07\u202e\rny\n")
    code, out, _ = await home.command(*probe)
    assert code == 3
    assert all(c.isprintable() or c == "\n" for c in out)
    assert "\ntexas   body    ?[2J??\ntexas   body    ny\n" in out


@pytest.mark.parametrize(
    ("args", "line"),
    [
        ((GAME, DATE, "--source", "idaho"), "no source of powerball: idaho; there are ny, texas"),
        ((GAME, DATE, "--source", "megamillions"), "no source of powerball: megamillions; there"),
        ((GAME, "2026-08-20"), "powerball has no draw on 2026-08-20 (Thursday)"),
        (("lotto", DATE), "unknown game 'lotto'"),
    ],
)
async def test_probe_refuses_bad_input_in_one_line(
    home: Home, publishers: Publishers, args: tuple[str, ...], line: str
) -> None:
    code, out, err = await home.command("sources", "probe", *args)
    assert (code, out) == (2, "")
    assert err.startswith(f"keeper: {line}")
    assert len(err.splitlines()) == 1
    assert publishers.requests == []


# ---- status


async def test_status(on_chain: Home, chain: Chain, deployed: Deployed) -> None:
    await deployed.bet(BETTORS[0], 1, 0, 3 * E // 2)
    code, out, err = await on_chain.command("status")
    assert (code, err) == (0, "")
    number = await chain.number()
    assert out.startswith(f"chain 31337, block {number} of 2026-08-1")
    assert f"account {KEEPER}, 9999.99" in out
    assert f"powerball at {deployed.address}" in out
    assert ["1", "2026-08-19", "open", "1.5", "0"] in map(cells, out.splitlines())
    code, out, _ = await on_chain.command("status", GAME, "1")
    assert ["1", "2026-08-19", "open", "1.5", "0"] in map(cells, out.splitlines())


@pytest.mark.parametrize(
    ("args", "changed", "code", "line"),
    [
        (["status", GAME, "7"], {}, 2, "powerball has no round 7"),
        (["status", "lotto"], {}, 2, "unknown game 'lotto'"),
        (["status"], {"RPC_URL": "http://u:pw@127.0.0.1:1/k3y"}, 1, "127.0.0.1:1 does not answer"),
        (["status"], {"RPC_URL": ""}, 2, "LOTTOCHAIN_RPC_URL is missing"),
        (["status"], {"CHAIN_ID": "80002"}, 2, "nothing is deployed on chain 80002"),
        (["status"], {"GAMES": "mega-millions"}, 2, "no market of mega-millions is recorded"),
        (["run", "--send"], {"KEY_FILE": ""}, 2, "--send needs LOTTOCHAIN_KEY_FILE or"),
        (
            ["run", "--send"],
            {"KEY_FILE": "k3y"},
            2,
            "LOTTOCHAIN_KEY_FILE: cannot read the file: No",
        ),
        (
            ["status"],
            {"KEY_FILE": "", "KEYSTORE": "/dev/null", "KEYSTORE_PASSWORD_FILE": "k3y"},
            2,
            "LOTTOCHAIN_KEYSTORE, LOTTOCHAIN_KEYSTORE_PASSWORD_FILE: cannot read the file with the",
        ),
        (
            ["run"],
            {"HISTORY": "/dev/null/x/h"},
            2,
            "LOTTOCHAIN_HISTORY, LOTTOCHAIN_DATA_DIR: cannot open /dev/null/x",
        ),
        (["run"], {"HTTP_HOST": "192.0.2.1"}, 2, "cannot serve on 192.0.2.1:0"),
        (
            ["run", "--send"],
            {"DATA_DIR": "/dev/null/data", "HISTORY": ":memory:"},
            2,
            "LOTTOCHAIN_DATA_DIR: cannot open /dev/null/data/journal/",
        ),
        (
            ["run"],
            {"DATA_DIR": "/dev/null/data", "HISTORY": ":memory:"},
            2,
            "LOTTOCHAIN_DATA_DIR: cannot write in /dev/null/data/evidence",
        ),
        (["evidence", "verify", "/none.json"], {}, 1, "cannot read /none.json"),
    ],
)
async def test_a_mistake_gets_one_line_and_the_right_exit_code(
    on_chain: Home, args: list[str], changed: dict[str, str], code: int, line: str
) -> None:
    # `run` takes over signals, so it wants a process of its own.
    start = on_chain.process if args[0] == "run" else on_chain.command
    got, out, err = await start(*args, **changed)
    assert got == code, err
    lines = [told for told in err.splitlines() if told.startswith("keeper: ")]
    assert len(lines) == 1, err
    assert line in lines[0]
    assert "Traceback" not in err
    assert "k3y" not in out + err
    assert "pw" not in out + err


async def test_a_key_that_everybody_may_read_is_told(on_chain: Home, tmp_path: Path) -> None:
    said, key, password = "every user of this machine may read", tmp_path / "key", tmp_path / "pw"
    key.chmod(0o604)
    assert said in (await on_chain.command("status"))[2]
    store = Account.encrypt(KEEPER_KEY, "open sesame", kdf="pbkdf2", iterations=10)
    key.write_text(json.dumps(store))
    password.write_text("open sesame")
    of_store = {"KEY_FILE": "", "KEYSTORE": str(key), "KEYSTORE_PASSWORD_FILE": str(password)}
    for mode, told in ((0o600, False), (0o604, True)):
        password.chmod(mode)
        code, _, err = await on_chain.command("status", **of_store)
        assert (code, said in err) == (0, told)


async def test_another_chain_behind_the_url(on_chain: Home, chain: Chain, tmp_path: Path) -> None:
    records = tmp_path / "deployments"
    document = json.loads((records / "31337.json").read_text()) | {"chainId": 137}
    (records / "137.json").write_text(json.dumps(document))
    code, _, err = await on_chain.process("run", CHAIN_ID="137")
    assert code == 1
    told = [line for line in err.splitlines() if line.startswith("keeper: ")]
    assert told == [f"keeper: {chain.url} serves chain 31337, not 137"]


async def test_a_market_of_another_game_at_the_address(on_chain: Home, tmp_path: Path) -> None:
    path = tmp_path / "deployments" / "31337.json"
    document = json.loads(path.read_text())
    document["markets"][GAME]["address"] = BETTORS[0]
    path.write_text(json.dumps(document))
    code, _, err = await on_chain.command("status")
    why = f"{BETTORS[0]} is no market, but recorded as that of powerball"
    assert (code, err) == (1, f"keeper: {why}: look at the record, LOTTOCHAIN_DEPLOYMENTS\n")


@pytest.mark.parametrize("option", ["db=none", "pasword=none"])
async def test_a_redis_url_with_a_wrong_option_is_told_and_not_shown(
    on_chain: Home, option: str
) -> None:
    url = f"redis://:s3cr3t@127.0.0.1:1/?{option}"
    code, out, err = await on_chain.process("run", "--send", REDIS_URL=url)
    last = err.splitlines()[-1]
    assert (code, out) == (2, "")
    assert last == "keeper: LOTTOCHAIN_REDIS_URL: an option in it is not one of Redis"
    assert "s3cr3t" not in err


async def test_an_account_without_funds_is_told(on_chain: Home, chain: Chain) -> None:
    await chain.rpc("anvil_setBalance", KEEPER, "0x0")
    async with on_chain.keeper("--send") as keeper:
        await keeper.until_logged("the account runs out of funds")
        await chain.move_to(DRAW - 900)
        put_off = await keeper.until_logged("put off", duty="lockRound")
        assert "has 0, the transaction may cost" in put_off["why"]
        await chain.rpc("anvil_setBalance", KEEPER, hex(E))
        await keeper.until_logged("done", duty="lockRound")
        assert await keeper.terminate() == 0


async def test_evidence_that_cannot_be_kept_stops_the_report_only(
    on_chain: Home, chain: Chain, deployed: Deployed, tmp_path: Path
) -> None:
    """A file where the folder was: no report before its evidence is on disk."""
    blocked = tmp_path / "data" / "evidence"
    await deployed.bet(BETTORS[0], 1, 0, E)
    async with on_chain.keeper("--send") as keeper:
        await keeper.until_logged("the chain is read")
        blocked.rmdir()
        blocked.write_text("in the way")
        await chain.move_to(draw_time(POWERBALL, dt.date(2026, 8, 19)) + 300)
        put_off = await keeper.until_logged("put off", duty="report")
        assert "cannot keep evidence" in put_off["why"]
        await keeper.until_logged("done", duty="settle")
        assert await deployed.status(1) == 2
        blocked.unlink()
        await keeper.until_logged("done", duty="report")
        assert await keeper.terminate() == 0


async def test_help_teaches(home: Home) -> None:
    code, out, _ = await home.command("run", "--help")
    assert code == 0
    assert "LOTTOCHAIN_KEYSTORE_PASSWORD_FILE" in out
    code, _, err = await home.command("run", "--role", "boss")
    assert code == 2
    assert "'boss' is not one of 'all', 'operator', 'web'." in err
    code, out, _ = await home.command("draw", "--help")
    assert "3 pending" in out
