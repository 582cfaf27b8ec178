"""What a user gets wrong: one clear line, a non-zero exit code, and nothing sent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
import requests
from web3.exceptions import ContractLogicError, Web3RPCError

from keeper.chain.abi import market_abi, oracle_abi
from keeper.errors import Reverted
from scripts import _errors
from scripts._errors import UserError, refusal
from tests.keeper.chain.waiting import PATIENCE
from tests.keeper.ports import free_port
from tests.scripts.world import POL, POWERBALL_DRAW, STRANGER, Home, Run, World

PB = ("--game", "powerball")
BALLS = ("--whites", "5,6,7,8,9", "--special", "7")
Start = Callable[[World], Run]


def place(round_id: str = "1", prediction: str = "EVEN") -> Start:
    return lambda world: world.ape("bets", "place", round_id, prediction, "1 POL", *PB, by="ann")


def bets(*args: str, by: str = "ann") -> Start:
    return lambda world: world.ape("bets", *args, *PB, by=by)


def oracle(*args: str, by: str = "reporter") -> Start:
    return lambda world: world.ape("oracle", *args, *PB, by=by)


def create(*args: str, by: str = "operator") -> Start:
    return lambda world: world.ape("rounds", "create", *args, by=by)


def elsewhere(network: str) -> Start:
    return lambda world: world.ape("status", "--network", network.format(world.url))


# What is wrong: how it is tried, and what the line must say.
WRONG: Mapping[str, tuple[Start, tuple[str, ...]]] = {
    "a game nobody knows": (
        create("--game", "keno", "--next"),
        ("'keno' is not one of 'powerball', 'mega-millions'",),
    ),
    "no game where there are two": (
        create("--next"),
        ("say which: --game mega-millions or powerball",),
    ),
    "a date without a draw": (
        create("--game", "mega-millions", "--date", "2026-08-20"),
        ("mega-millions has no draw on 2026-08-20 (Thursday)",),
    ),
    "an account without the role": (
        create(*PB, "--next", by="ann"),
        ("AccessControlUnauthorizedAccount", "an account that holds OPERATOR_ROLE"),
    ),
    "a round that does not exist": (
        place("7"),
        ("UnknownRound (roundId 7): `ape run rounds list` shows",),
    ),
    "a prediction of 8": (
        place(prediction="8"),
        ("'8' is no prediction: it is one of EVEN (0), ODD (1)",),
    ),
    "a bet that does not exist": (
        bets("cancel", "1", "1"),
        ("UnknownBet (roundId 1, user 0x", "betIndex 1): `ape run bets show 1 0x"),
    ),
    "a bet that is matched": (
        bets("cancel", "1", "0", by="bob"),
        ("NothingUnmatched (roundId 1, betIndex 0): the whole bet has found its opponents",),
    ),
    "a bet behind which another stands": (
        bets("cancel", "2", "0", by="dan"),
        ("NotAtTail (roundId 2, betIndex 0): a later bet stands behind it",),
    ),
    "less matched than wanted": (
        bets("place", "1", "LOW", "4 POL", "--matched", "--min", "3 POL", by="bob"),
        ("matchable 2 POL, required 3 POL): only 2 POL finds an opponent now",),
    ),
    "a least without --matched": (
        bets("place", "1", "LOW", "4 POL", "--min", "3 POL", by="bob"),
        ("--min goes with --matched",),
    ),
    "a quote for what is no bet": (
        lambda w: w.ape("bets", "quote", "1", "LOW", "1 gwei", *PB),
        ("BetOutOfLimits (amount 0.000000001 POL", "a bet is 0.01 POL to 1,000 POL"),
    ),
    "a batch of a round that goes on": (
        lambda w: w.ape("claims", "batch", "1", *PB, by="ann"),
        ("WrongStatus (roundId 1, status OPEN): that round takes bets still",),
    ),
    "a batch where nothing has ended": (
        lambda w: w.ape("claims", "batch", *PB, by="ann"),
        ("nothing is due to 0x", "in any round that ended"),
    ),
    "a report before the draw": (
        oracle("report", "2", *BALLS, "--no-evidence"),
        ("ReportTooEarly", "the draw is at 2026-08-23 02:59:00 UTC: report after it"),
    ),
    "a report by somebody else": (
        oracle("report", "2", *BALLS, "--no-evidence", by="ann"),
        ("NotReporter (caller 0x", "`ape run oracle status` shows them"),
    ),
    "a report of balls that there are not": (
        oracle("report", "2", "--whites", "5,6,7,8,70", "--special", "7", "--no-evidence"),
        ("a white ball is not in 1..69: 2026-08-22 5 6 7 8 70 + 7",),
    ),
    "a report without a word of evidence": (
        oracle("report", "2", *BALLS),
        ("say what was kept: --evidence FILE or HASH, or --no-evidence",),
    ),
    "a report on evidence that is not there": (
        oracle("report", "2", *BALLS, "--evidence", "0x12"),
        ("'0x12' is neither a hash (0x and 64 digits) nor a file: No such file",),
    ),
    "a report where one account decides": (
        oracle("report", "1", *BALLS, "--no-evidence"),
        ("round 1 has no committee: 0x", "`ape run oracle finalize` with the balls"),
    ),
    "a veto by somebody else": (
        oracle("veto", "2"),
        ("NotGuardian (caller 0x", "use the account of the guardian, 0x"),
    ),
    "a veto of nothing": (
        oracle("veto", "2", by="guardian"),
        ("NoProposal", "reporters must agree first: `ape run oracle status 2`"),
    ),
    "a committee's result without a proposal": (
        oracle("finalize", "2"),
        ("NoProposal", "reporters must agree first: `ape run oracle status 2`"),
    ),
    "balls for what a committee decides": (
        oracle("finalize", "2", *BALLS),
        ("round 2 takes what its committee has proposed: give no balls here",),
    ),
    "a committee that is there already": (
        lambda w: w.ape("deploy", "oracle", *w.COMMITTEE, by="admin"),
        ("that committee is deployed already, at 0x", "--again repeats it"),
    ),
    "a reporter named twice": (
        lambda w: w.ape(
            *("deploy", "oracle", *w.COMMITTEE, "--reporter", "TEST::11", "--quorum", "3"),
            by="admin",
        ),
        ("DuplicateReporter (reporter 0x", "name each reporter once"),
    ),
    "an account without funds": (
        lambda w: w.ape("bets", "place", "1", "0", "1 POL", *PB, by=Home.ALIAS),
        ("account treasurer (0x", "holds 0 POL and needs up to 1 POL"),
    ),
    "gas above the cap": (
        lambda w: w.ape("safety", "pause", *PB, "--max-fee", "29 gwei", by="guardian"),
        ("more than the cap of 29 gwei: wait, or raise --max-fee",),
    ),
    "a chain of another id": (
        elsewhere("polygon:mainnet:{}"),
        ("wrong chain", "'80002'", "'137'"),
    ),
    "a node that is down": (
        elsewhere(f"polygon:amoy:http://127.0.0.1:{free_port()}"),
        ("No (supported) node found on 'http://127.0.0.1:",),
    ),
    "no record of the chain": (
        lambda w: w.ape("status", folder=w.folder / "empty"),
        ("nothing is deployed on chain 80002", "empty/80002.json"),
    ),
    "a keystore without its passphrase": (
        lambda w: w.ape("bets", "place", "1", "0", "0.1 POL", *PB, by=Home.LOCKED),
        ("read from APE_ACCOUNTS_locked_PASSPHRASE: nothing was sent",),
    ),
    "no answer to the question": (
        lambda w: w.ape("safety", "pause", *PB, by="guardian", asks=True),
        ("not confirmed, nothing was sent (--yes does not ask)",),
    ),
    "a change of mind": (
        lambda w: w.ape("safety", "pause", *PB, by="guardian", typed="n\n"),
        ("declined, nothing was sent",),
    ),
}


@pytest.fixture(scope="module")
def wrong(
    home: Home, deployed: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[World, dict[str, Run]]]:
    """A market with a round, and all the wrong commands tried on it at once."""
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "80002.json").write_bytes((deployed.folder / "80002.json").read_bytes())
    with World(home, folder) as world:
        world.load(deployed)
        world.play()
        world.convene()
        world.call("operator", "createRound", POWERBALL_DRAW + 3 * 86400)
        for person in ("dan", "bob"):
            world.call(person, "placeBet", 2, 0, value=POL)
        world.rpc("anvil_setBalance", home.locked, hex(POL))
        tried: dict[str, Run] = {}
        for name, (start, _) in WRONG.items():
            if len(tried) >= 3:  # at once: there are few cores
                list(tried.values())[-3].wait()
            tried[name] = start(world)
        for run in tried.values():
            run.wait()
        yield world, tried


@pytest.mark.parametrize("name", WRONG)
def test_one_line_says_what_is_wrong(wrong: tuple[World, dict[str, Run]], name: str) -> None:
    _, tried = wrong
    line = tried[name].refused()
    for said in WRONG[name][1]:
        assert said in line


def test_nothing_was_sent(wrong: tuple[World, dict[str, Run]]) -> None:
    world, _ = wrong
    count = world.w3.eth.get_transaction_count
    sent = {"operator": 2, "guardian": 0, "ann": 1, "bob": 2, "reporter": 0}
    assert {name: count(world.address(name)) for name in sent} == sent
    assert world.balance(world.market().address) == 13 * POL


def test_a_command_that_is_confirmed_is_sent(world: World) -> None:
    run = world.ape("safety", "pause", *PB, by="guardian", typed="y\n")
    out = run.ok()
    assert out.index("call     pause()") < out.index("Send? [y/N]") < out.index("mined in block")
    assert world.market().functions.paused().call()
    transaction = world.w3.eth.get_transaction(out.split("sent ")[1].split()[0])  # type: ignore[arg-type]
    assert transaction["type"] == 2
    assert transaction["maxPriorityFeePerGas"] == 30 * 10**9  # anvil asks for less
    assert transaction["maxFeePerGas"] <= 500 * 10**9


SAMPLES: Mapping[str, Any] = {
    "address": STRANGER,
    "bytes32": "0x" + "00" * 32,
    "bytes4": "0x12345678",
    "string": "text",
    "bool": True,
}


ERRORS = [e for e in (*market_abi(), *oracle_abi()) if e["type"] == "error"]


def test_there_is_advice_on_each_error_and_on_no_other() -> None:
    assert set(_errors._HINTS) == {error["name"] for error in ERRORS}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error["name"])
def test_every_error_of_the_contracts_reads_well(error: Any) -> None:
    args = {i["name"]: SAMPLES.get(i["type"], 2) for i in error["inputs"]}
    line = refusal(Reverted(error["name"], args))
    assert line.startswith(f"the contract refuses: {error['name']}")
    assert len(line) > line.index(": ", 25) + 10
    assert "{" not in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        (
            "NotEnoughMatched",
            {"roundId": 1, "matchable": POL // 2, "required": POL},
            "(roundId 1, matchable 0.5 POL, required 1 POL): only 0.5 POL finds an opponent",
        ),
        (
            "WrongDrawDate",
            {"drawDate": 20683, "expectedDate": 20684},
            "(drawDate 2026-08-18, expectedDate 2026-08-19): the round's draw is of 2026-08-19",
        ),
        (
            "DisputeWindowTooLong",
            {"disputeWindow": 90000, "maxDisputeWindow": 86400},
            "(disputeWindow 1 d 1 h, maxDisputeWindow 1 d): at most 1 d",
        ),
        (
            "RoundDecided",
            {"market": STRANGER, "roundId": 1, "status": 4},
            "status CANCELLED): that round is cancelled",
        ),
        (
            "DisputeWindowOpen",
            {"market": STRANGER, "roundId": 1, "finalizableAt": 1787108400},
            "possible from 2026-08-19 03:00:00 UTC on",
        ),
    ],
)
def test_values_of_errors_are_shown_as_people_read_them(
    name: str, args: dict[str, Any], said: str
) -> None:
    assert said in refusal(Reverted(name, args))


def test_an_error_of_another_contract_is_told_raw() -> None:
    assert refusal(Reverted("", {"data": "0x12345678"})) == (
        "the contract refuses: an error without a known name (data 0x12345678)"
    )


class Disguise(BaseHTTPRequestHandler):
    """Passes requests on to an anvil, which says that it is a node of the real network."""

    behind: ClassVar[str]

    def do_POST(self) -> None:  # the base class names it
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {"Content-Type": "application/json"}
        answer = requests.post(self.behind, asked, headers=headers, timeout=PATIENCE).content
        answer = answer.replace(b"anvil/v1", b"bor/v2")
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def test_a_key_that_everybody_knows_is_for_local_chains(world: World) -> None:
    Disguise.behind = world.url
    with ThreadingHTTPServer(("127.0.0.1", 0), Disguise) as node:
        threading.Thread(target=node.serve_forever, daemon=True).start()
        network = f"polygon:amoy:http://127.0.0.1:{node.server_port}"
        line = world.ape("safety", "pause", *PB, "--network", network, by="guardian").refused()
        node.shutdown()
    assert line == "TEST::2 is for local chains: everybody knows its key"
    assert not world.market().functions.paused().call()


def test_no_error_shows_what_may_be_a_key() -> None:
    endpoint = f"http://user:hunter2@127.0.0.1:{free_port()}/v2/hunter2?key=hunter2"
    with pytest.raises(requests.ConnectionError) as down:
        requests.get(endpoint, timeout=5)
    line = _errors.explain(down.value)
    assert line is not None
    assert line.startswith("the node 127.0.0.1:")
    line += _errors.explain(UserError(f"cannot use '{endpoint}', {down.value}")) or ""
    assert "cannot use 'http://127.0.0.1:" in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    "answer",
    [
        {"error": {"code": -32000, "message": "nonce\x1b[2J\ntoo low"}},
        {"error": "nonce too\r\nlow"},
        {"error": {"code": -32000, "message": None}},
        {},
    ],
)
def test_what_a_node_says_stays_one_harmless_line(answer: Any) -> None:
    line = _errors.explain(Web3RPCError("nonce \x07 too low", rpc_response=answer))
    assert line is not None
    assert line.startswith("the node refuses: nonce")
    assert line.isprintable()


@pytest.mark.parametrize(
    "data", ["0x", "0xzz", "0x1", "0x12345678", {"data": "0x"}, None, "no data"]
)
def test_any_data_of_a_refused_call_is_read(data: Any) -> None:
    line = _errors.explain(ContractLogicError("execution reverted", data=data))
    assert line is not None
    assert line.startswith("the contract refuses: an error without a known name")


def test_a_status_nobody_knows_is_told_as_it_is() -> None:
    line = refusal(Reverted("WrongStatus", {"roundId": 1, "status": 200}))
    assert "status 200" in line


def test_a_fault_of_ours_is_not_taken_for_the_users() -> None:
    assert _errors.explain(ValueError("a bug")) is None
    assert _errors.explain(KeyError("a bug")) is None
