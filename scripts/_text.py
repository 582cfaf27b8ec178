"""What people write and read: amounts, times, fees, predictions. No chain, no click.

Every reader raises ValueError with a message that says what is wanted.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from eth_utils.crypto import keccak

from keeper.domain.calendar import NEW_YORK
from keeper.domain.lines import BPS, Prediction

COIN = 10**18
GWEI = 10**9
_UNITS = {"": 1, "wei": 1, "gwei": GWEI, "pol": COIN, "matic": COIN, "eth": COIN, "ether": COIN}
_EPOCH = dt.date(1970, 1, 1)
_LAST = 253402214400  # the last day of the year 9999
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def read_amount(text: str) -> int:
    """Wei: "0.5 POL", "500 gwei", or a whole number of wei."""
    written = r"([0-9][0-9_]{0,40})(?:\.([0-9]{1,18}))?\s*([a-z]*)"
    found = re.fullmatch(written, text.strip().lower())
    if not found or found[3] not in _UNITS:
        raise ValueError(f"{text!r} is no amount: write 0.5 POL, 500 gwei, or whole wei")
    whole, fraction, unit = int(found[1]), found[2] or "", _UNITS[found[3]]
    part, left = divmod(int(fraction or 0) * unit, int("1" + "0" * len(fraction)))
    if left or (fraction and not found[3]):
        raise ValueError(f"{text!r} is not a whole number of wei: say the unit, as in 0.5 POL")
    return whole * unit + part


def _decimal(value: int, unit: int) -> str:
    whole, part = divmod(value, unit)
    digits = len(str(unit)) - 1
    return f"{whole:,}" + (f".{part:0{digits}d}".rstrip("0") if part else "")


def coins(wei: int, symbol: str = "POL") -> str:
    """Exact, in the chain's coin: "0.5 POL"."""
    sign = "-" if wei < 0 else ""
    return f"{sign}{_decimal(abs(wei), COIN)} {symbol}"


def gwei(wei: int) -> str:
    """A gas price, to a thousandth of a gwei: "30.012 gwei"."""
    return f"{_decimal(round(wei / 10**6), 1000)} gwei"


def read_fee(text: str) -> int:
    """Basis points: "2%", "1.5 %", or a whole number of basis points."""
    found = re.fullmatch(r"([0-9]{1,6})(?:\.([0-9]{1,2}))?\s*(%?)", text.strip())
    if not found or (found[2] and not found[3]):
        raise ValueError(f"{text!r} is no fee: write 2%, 1.5%, or basis points (200 = 2 %)")
    if not found[3]:
        return int(found[1])
    return int(found[1]) * 100 + int((found[2] or "0").ljust(2, "0"))


def fee(bps: int) -> str:
    """ "2 %" """
    return f"{_decimal(bps, BPS // 100)} %"


def read_duration(text: str) -> int:
    """Seconds: "2d", "48h", "30m", or a whole number of seconds."""
    found = re.fullmatch(r"([0-9]{1,12})\s*([a-z]?)", text.strip().lower())
    if not found or found[2] not in _SECONDS:
        raise ValueError(f"{text!r} is no duration: write 2d, 48h, 30m, or seconds")
    return int(found[1]) * _SECONDS[found[2]]


def duration(seconds: int) -> str:
    """ "2 d 3 h", the two largest units at most."""
    parts = []
    for name, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"


def read_date(text: str) -> dt.date:
    """A date as 2026-08-18."""
    try:
        return dt.date.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is no date: write it as 2026-08-18") from None


def utc(seconds: int) -> str:
    """ "2026-08-19 03:00:00 UTC" """
    if seconds > _LAST:
        return f"second {seconds}"
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"


def day(number: int) -> str:
    """The date that a contract counts in days since 1970-01-01: "2026-08-18"."""
    return f"{_EPOCH + dt.timedelta(number)}" if number <= _LAST // 86400 else f"day {number}"


def when(seconds: int, now: int) -> str:
    """ "2026-08-19 03:00:00 UTC (05:00 CEST here), in 2 h 5 min", as seen at `now`"""
    if seconds > _LAST:
        return utc(seconds)
    local = dt.datetime.fromtimestamp(seconds, dt.UTC).astimezone()
    here = f" ({local:%H:%M %Z} here)" if local.utcoffset() else ""
    far = duration(abs(seconds - now))
    return f"{utc(seconds)}{here}, {f'in {far}' if seconds > now else f'{far} ago'}"


def draw_day(draw_time: int) -> str:
    """The date of a draw, where it is drawn: "2026-08-18 (Tuesday)"."""
    return f"{dt.datetime.fromtimestamp(draw_time, NEW_YORK):%Y-%m-%d (%A)}"


def read_prediction(text: str) -> Prediction:
    """By name or number: "EVEN_LOW", "even-low", "4"."""
    name = text.strip().upper().replace("-", "_")
    if name in Prediction.__members__:
        return Prediction[name]
    if re.fullmatch(r"[0-7]", name):
        return Prediction(int(name))
    known = ", ".join(f"{p.name} ({p.value})" for p in Prediction)
    raise ValueError(f"{text!r} is no prediction: it is one of {known}")


def read_balls(text: str) -> tuple[int, ...]:
    """Numbers with commas or spaces between them: "15,19,20,61,70"."""
    balls = re.split(r"[\s,]+", text.strip())
    if not all(re.fullmatch(r"[0-9]{1,3}", ball) for ball in balls):
        raise ValueError(f"{text!r} are no balls: write them as 15,19,20,61,70")
    return tuple(map(int, balls))


def read_evidence(text: str) -> bytes:
    """32 bytes: written in hexadecimal, or the keccak256 of a file's bytes."""
    if re.fullmatch(r"0x[0-9a-fA-F]{64}", text):
        return bytes.fromhex(text[2:])
    try:
        return keccak(Path(text).read_bytes())
    except OSError as exc:
        raise ValueError(
            f"{text!r} is neither a hash (0x and 64 digits) nor a file: {exc.strerror}"
        ) from None


def derivation(whites: Sequence[int], special: int) -> str:
    """How the winning number follows from the balls, step by step."""
    total = sum(whites)
    text = f"{' + '.join(map(str, whites))} = {total}"
    if special % 2:
        total += 50
        text += f"; special ball {special} is odd: + 50 = {total}"
    else:
        text += f"; special ball {special} is even"
    return f"{text}; last two digits: {total % 100}"


def pairs(rows: Iterable[tuple[str, object]]) -> str:
    """Names and values under each other."""
    named = list(rows)
    width = max(len(name) for name, _ in named)
    return "\n".join(f"  {name.ljust(width)}  {value}" for name, value in named)


def table(rows: Iterable[Sequence[object]], indent: str = "  ") -> str:
    """Columns under each other; what looks like a number stands to the right."""
    lines = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        (indent + "  ".join(_placed(*pair) for pair in zip(line, widths, strict=True))).rstrip()
        for line in lines
    )


def _placed(cell: str, width: int) -> str:
    return cell.rjust(width) if re.match(r"-?[\d,.]+(%|\s|$)", cell) else cell.ljust(width)
