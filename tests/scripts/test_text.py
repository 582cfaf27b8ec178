"""What people write and read: amounts, fees, dates, predictions, draws."""

from __future__ import annotations

import random
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from web3.exceptions import Web3RPCError

from keeper.domain.draw import MEGA_MILLIONS, InvalidDraw
from keeper.domain.lines import Prediction
from scripts import _text
from scripts._errors import UserError
from scripts._market import in_ranges
from scripts.bets import _quoted
from scripts.oracle import number_of

POL = 10**18


@pytest.mark.parametrize(
    ("text", "wei"),
    [
        ("0.5 POL", POL // 2),
        ("0.5pol", POL // 2),
        ("1_000 POL", 1000 * POL),
        ("2 ether", 2 * POL),
        ("500 gwei", 500 * 10**9),
        ("1.000000001 gwei", 10**9 + 1),
        ("123", 123),
        ("7 wei", 7),
        (f"{2**96} wei", 2**96),
        ("0.000000000000000001 POL", 1),
    ],
)
def test_amounts(text: str, wei: int) -> None:
    assert _text.read_amount(text) == wei


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0.5",
        "1.0",
        "-1",
        "1 dollar",
        "1e18",
        "nan",
        "1.5 wei",
        "1 POL POL",
        "٣ POL",
        "1,5 POL",
        "0.0000000000000000001 POL",
        "9" * 60,
    ],
)
def test_amounts_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"write 0\.5 POL|say the unit"):
        _text.read_amount(text)


def test_an_amount_shown_is_read_back() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    for _ in range(500):
        wei = draw.randrange(2 ** draw.randrange(1, 97))
        assert _text.read_amount(_text.coins(wei).replace(",", "")) == wei


def test_amounts_shown() -> None:
    assert _text.coins(1234 * POL + POL // 4) == "1,234.25 POL"
    assert _text.coins(-1) == "-0.000000000000000001 POL"
    assert _text.coins(0, "ETH") == "0 ETH"
    assert _text.gwei(30_012_345_678) == "30.012 gwei"


@pytest.mark.parametrize(
    ("text", "bps"), [("2%", 200), ("1.5 %", 150), ("0.05%", 5), ("200", 200), ("0", 0)]
)
def test_fees(text: str, bps: int) -> None:
    assert _text.read_fee(text) == bps


@pytest.mark.parametrize("text", ["", "2.5", "-1%", "1.005%", "2 percent"])
def test_fees_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="is no fee"):
        _text.read_fee(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("2d", 172_800), ("48h", 172_800), ("30 m", 1800), ("15", 15)]
)
def test_durations(text: str, seconds: int) -> None:
    assert _text.read_duration(text) == seconds


def test_a_duration_that_is_none() -> None:
    with pytest.raises(ValueError, match="is no duration"):
        _text.read_duration("2 weeks")


def test_durations_shown() -> None:
    assert _text.duration(2 * 86400 + 3 * 3600 + 5) == "2 d 3 h"
    assert _text.duration(0) == "0 s"


@pytest.mark.parametrize("prediction", Prediction)
def test_a_prediction_is_read_by_name_and_number(prediction: Prediction) -> None:
    for text in (prediction.name, prediction.name.lower(), str(prediction.value)):
        assert _text.read_prediction(text) is prediction
    assert _text.read_prediction(prediction.name.replace("_", "-")) is prediction


@pytest.mark.parametrize("text", ["8", "-1", "", "EVENS", "00", "1.0"])
def test_predictions_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"EVEN \(0\)"):
        _text.read_prediction(text)


def test_the_derivation_is_the_one_of_the_design() -> None:
    assert _text.derivation((15, 19, 20, 61, 70), 9) == (
        "15 + 19 + 20 + 61 + 70 = 185; special ball 9 is odd: + 50 = 235; last two digits: 35"
    )
    assert _text.derivation((15, 19, 20, 61, 70), 6) == (
        "15 + 19 + 20 + 61 + 70 = 185; special ball 6 is even; last two digits: 85"
    )


BALLS = ((15, 19, 20, 61, 70), 9)
MEGA_DRAW = 1787108400  # of 2026-08-18


def test_the_winning_number_is_derived_from_the_balls_where_there_are_any() -> None:
    assert number_of(MEGA_MILLIONS, MEGA_DRAW, *BALLS, None)[0] == 35
    assert number_of(MEGA_MILLIONS, MEGA_DRAW, *BALLS, 35)[0] == 35
    n, origin = number_of(MEGA_MILLIONS, MEGA_DRAW, None, None, 36)
    assert n == 36
    assert "CHECK IT" in origin


@pytest.mark.parametrize(
    ("whites", "special", "number", "said"),
    [
        (*BALLS, 36, "--number 36 is not what the balls give: 15 \\+ 19"),
        (None, None, None, "give the balls"),
        (BALLS[0], None, 35, "both --whites and --special"),
        (None, 9, 35, "both --whites and --special"),
        (BALLS[0], 25, None, "special ball is not in 1..24"),
        ((15, 19, 20, 61, 71), 9, None, "white ball is not in 1..70"),
        ((15, 15, 20, 61, 70), 9, None, "appears twice"),
        ((15, 19, 20, 61), 9, None, "4 white balls"),
    ],
)
def test_a_result_that_does_not_fit_is_refused(
    whites: tuple[int, ...] | None, special: int | None, number: int | None, said: str
) -> None:
    with pytest.raises((UserError, InvalidDraw), match=said):
        number_of(MEGA_MILLIONS, MEGA_DRAW, whites, special, number)


@pytest.mark.parametrize("text", ["15,19,20,61,70", "15 19 20 61 70", " 15, 19, 20, 61, 70 "])
def test_balls(text: str) -> None:
    assert _text.read_balls(text) == (15, 19, 20, 61, 70)


def test_balls_that_are_none() -> None:
    with pytest.raises(ValueError, match="are no balls"):
        _text.read_balls("15,19,x")


@pytest.mark.parametrize(
    ("amount", "now", "fee", "matched", "told", "pays"),
    [
        # Wei are neither lost nor rounded: what a bet pays is twice the matched part less the fee.
        (3 * POL, POL, POL // 50, False, "1 POL, 2 POL waits for opponents", "3.98"),
        (3 * POL, POL, POL // 50, True, "1 POL, 2 POL comes back at once", "1.98"),
        (POL, POL, POL // 50, False, "1 POL", "1.98"),
        (POL, POL, POL // 50, True, "1 POL", "1.98"),
        (POL, 0, 0, False, "0 POL, 1 POL waits for opponents", "1"),
        (POL, 0, 0, True, "0 POL, 1 POL comes back at once", "0"),
        (
            POL,
            POL - 1,
            1,
            False,
            "0.999999999999999999 POL, 0.000000000000000001 POL waits for opponents",
            "1.999999999999999998",
        ),
    ],
)
def test_a_bet_is_quoted_to_the_wei(
    amount: int, now: int, fee: int, matched: bool, told: str, pays: str
) -> None:
    market: Any = SimpleNamespace(symbol="POL", view=lambda *_: (now, amount + now - fee, fee))
    info: Any = SimpleNamespace(id=1)
    rows = dict(_quoted(market, info, Prediction.ODD, amount, matched))
    assert rows["matched now"] == told
    waits = ", if nobody else comes" if "waits" in told else ""
    fee_told = f"; the fee of {_text.coins(fee)} is taken off"
    assert rows["pays"] == f"{pays} POL when it wins{waits}{fee_told}"


def test_evidence_is_a_hash_or_the_hash_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "page"
    file.write_bytes(b"")
    empty = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert _text.read_evidence(str(file)).hex() == empty
    assert _text.read_evidence(f"0x{empty}").hex() == empty
    for wrong in (f"0x{empty[:-1]}", str(tmp_path), "nothing"):
        with pytest.raises(ValueError, match="is neither a hash"):
            _text.read_evidence(wrong)


def test_a_moment_is_shown_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert _text.when(1787108400, 1787108400 - 7500) == "2026-08-19 03:00:00 UTC, in 2 h 5 min"
    assert _text.when(1787108400, 1787108460) == "2026-08-19 03:00:00 UTC, 1 min ago"
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    shown = "2026-08-19 03:00:00 UTC (05:00 CEST here), in 1 s"
    assert _text.when(1787108400, 1787108399) == shown
    assert _text.when(2**62, 0) == f"second {2**62}"
    monkeypatch.undo()
    time.tzset()


def test_days_are_counted_as_the_contract_counts_them() -> None:
    assert _text.day(20683) == "2026-08-18"
    assert _text.day(2**32) == f"day {2**32}"


def test_a_draw_is_shown_by_its_date_in_new_york() -> None:
    assert _text.draw_day(1787108400) == "2026-08-18 (Tuesday)"
    assert _text.utc(1787108400) == "2026-08-19 03:00:00 UTC"


@pytest.mark.parametrize("limit", [8, 9, 100, 999, 1000, 5000])
def test_logs_are_asked_for_in_ranges_that_the_node_takes(limit: int) -> None:
    asked: list[tuple[int, int]] = []

    def fetch(start: int, end: int) -> list[int]:
        if end - start + 1 > limit:
            raise Web3RPCError("range too large")
        asked.append((start, end))
        return list(range(start, end + 1))

    assert in_ranges(fetch, 5, 1004) == list(range(5, 1005))
    assert asked[0][0] == 5
    assert in_ranges(fetch, 6, 5) == []


def test_a_node_that_refuses_every_range_is_not_asked_for_ever() -> None:
    def fetch(start: int, end: int) -> list[int]:
        raise Web3RPCError("no logs here")

    with pytest.raises(Web3RPCError, match="no logs here"):
        in_ranges(fetch, 0, 10**6)
