"""The end of a game: every round is brought to its end, and everybody is paid."""

from __future__ import annotations

from keeper.domain.lines import RoundStatus
from tests.contracts.support.desk import Round
from tests.contracts.support.play import Play
from tests.contracts.support.polls import balls_for

FINALIZED, CANCELLED = RoundStatus.FINALIZED, RoundStatus.CANCELLED


def close(play: Play) -> None:
    """Then the market has nothing of its own: to the wei, round by round and in all."""
    for one in sorted(play.unfinished, key=lambda one: one.draw):
        decide(play, one)
    play.check()
    for index, (one, user) in enumerate(play.due(FINALIZED, CANCELLED)):
        if index % 2:
            play.settle(one, [user, user])
        else:
            play.claim(one, user)
    play.withdraw([one.id for one in play.having(FINALIZED)])
    play.check()
    for id_, book in play.books.items():
        assert play.paid[id_] + play.earned[id_] == book.staked, id_
        assert not any(any(book.claimable(user)) for user in play.users)
    assert play.desk.balance() == play.forced
    assert play.committee.node.balance(play.committee.address) == 0


def decide(play: Play, one: Round) -> None:
    """By the committee if there is time for it, else by the void."""
    poll = play.polls[one.id]
    draw = play.draw(one, balls_for((11 + 37 * one.id) % 100, 6))
    for reporter in play.committee.reporters:
        play.wait_for(one.draw)
        if not poll.proposed_at and play.now <= play.committee.deadline(one):
            play.report(one, reporter, draw)
    if poll.proposed_at and play.now <= one.over:
        play.wait_for(poll.finalizable_at)
        play.finalize(one)
    else:
        play.wait_for(one.over + 1)
        play.cancel(one, "voidRound", play.desk.people.stranger)
