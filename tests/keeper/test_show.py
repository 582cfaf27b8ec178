"""What `draw --json` prints of each kind of answer: others read it by these names."""

import datetime as dt

from keeper.domain.consensus import Drawn, Failed, Failure, Pending
from keeper.domain.draw import POWERBALL, Draw
from keeper.show import draw_json

DAY = dt.date(2026, 8, 19)
DRAW = Draw(DAY, (10, 21, 58, 61, 64), 17)


def test_answers_and_what_follows_as_json() -> None:
    drawn, late = Drawn("ny", DRAW), Pending("texas", "no result yet")
    down = Failed("california", Failure.STATUS, "HTTP 500")
    balls = {"whites": [10, 21, 58, 61, 64], "special": 17, "winningNumber": 64}
    assert draw_json(POWERBALL, DAY, [drawn, late, down]) == {
        "game": "powerball",
        "date": "2026-08-19",
        "sources": [
            {"source": "ny", "answer": "drawn", **balls},
            {"source": "texas", "answer": "pending", "why": "no result yet"},
            {"source": "california", "answer": "failed", "kind": "status", "why": "HTTP 500"},
        ],
        "verdict": "pending",
    }
