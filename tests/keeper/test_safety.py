"""Whatever one publisher does, at any time: the verdict is the true draw or none.

Thousands of sets of answers, dealt by Hypothesis: every honest source gives the true draw, or none
yet, or fails, as it happens; one publisher, be it that of two sources, answers anything at all
each time it is asked; and time goes on until seats change hands.
"""

import asyncio
import datetime as dt
import os
import random
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from keeper.domain.consensus import Agreed, Answer, Drawn, Failed, Failure, Pending, decide
from keeper.domain.draw import GAMES, Draw, Game
from keeper.ports import Fetched
from keeper.sources import HOMES, Panel, publishing
from keeper.sources.panel import GRACE, RESERVES

EVENINGS = 1000  # a game
DAY = dt.date(2026, 8, 18)
TRUTH = Draw(DAY, (5, 19, 30, 38, 59), 12)
NEW_YORK = ("ny", "nyopendata")
PUBLISHERS = [NEW_YORK, *((name,) for name in HOMES if name not in NEW_YORK)]

balls = st.integers(1, 70)
dates = st.sampled_from([DAY, DAY - dt.timedelta(days=4)])
whites = st.just(TRUTH.whites) | st.tuples(balls, balls, balls, balls, balls)
anything = st.builds(Draw, dates, whites, st.integers(1, 26))
steps = st.sampled_from([0, 60, 900, GRACE - 1, GRACE, GRACE, GRACE, 5 * GRACE])


@dataclass(frozen=True)
class Dealt:
    """A source whose answers Hypothesis deals.

    Attributes:
        out: gives no draw all evening.
        lies: gives any draw.
    """

    name: str
    data: st.DataObject
    out: bool
    lies: bool

    async def fetch(self, game: Game, date: dt.date) -> Fetched:
        return Fetched(self.name, "", 200, 0, b"", self.answer())

    def answer(self) -> Answer:
        what = self.data.draw(st.integers(0, 3))
        if what > 1 and not self.out:
            return Drawn(self.name, self.data.draw(anything) if self.lies else TRUTH)
        if what % 2:
            return Pending(self.name, "")
        return Failed(self.name, self.data.draw(st.sampled_from(Failure)), "")


async def evening(data: st.DataObject, game: Game, liar: tuple[str, ...]) -> Counter[str]:
    """Plays one, and holds each verdict against the truth. Who voted, and what came out."""
    now = 0.0
    sources = {
        name: Dealt(name, data, data.draw(st.booleans()), name in liar) for name in publishing(game)
    }
    panel, seen = Panel(sources, game, DAY, lambda: now), Counter[str]()
    for _ in range(data.draw(st.integers(1, 8))):
        now += data.draw(steps)
        answers = [fetched.answer for fetched in await panel.ask()]
        verdict = decide(answers)
        publishers = {"ny" if a.source in NEW_YORK else a.source for a in answers}
        assert len(answers) == len(publishers) == 3
        true = [a for a in answers if isinstance(a, Drawn) and a.draw == TRUTH]
        assert isinstance(verdict, Agreed) == (len(true) >= 2)
        if isinstance(verdict, Agreed):
            assert verdict.draw == TRUTH
            seen["lied to" if verdict.dissenting else "agreed"] += 1
        seen.update(["sets", *(a.source for a in answers)])
    return seen


@pytest.mark.parametrize("game", GAMES.values(), ids=lambda game: game.name)
def test_no_single_publisher_brings_about_another_number(game: Game) -> None:
    number = int(os.environ.get("LOTTOCHAIN_SEED", random.randrange(10**6)))
    print(f"LOTTOCHAIN_SEED={number}")
    seen = Counter[str]()

    @seed(number)
    @settings(
        max_examples=EVENINGS,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(st.data(), st.sampled_from(PUBLISHERS))
    def play(data: st.DataObject, liar: tuple[str, ...]) -> None:
        seen.update(asyncio.run(evening(data, game, liar)))

    play()
    print(dict(seen))
    assert seen["sets"] > EVENINGS
    assert min(seen[name] for name in RESERVES) > 0
    assert seen["agreed"] > 0
    assert seen["lied to"] > 0
