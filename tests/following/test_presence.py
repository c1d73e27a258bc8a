"""Who looks at a question: told to those who look, on every node, and forgotten with the connection or the node."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from interlock.following.looks import MAX_LOOKED_AT, Looks
from interlock.following.presence import KEPT_SECONDS, Presence
from interlock.log.topics import NobodyElse
from interlock_protocol.errors import Refusal

Q = "req-1.run-1"


class Air:
    """What nodes say to each other; a node that is cut off neither hears nor is heard."""

    def __init__(self) -> None:
        self.ears: list[tuple[str, str, Callable[[str], None]]] = []
        self.away: set[str] = set()
        self.words = 0

    def at(self, node: str) -> At:
        return At(self, node)


class At:
    def __init__(self, air: Air, node: str) -> None:
        self.air, self.node = air, node

    def say(self, topic: str, word: str) -> None:
        self.air.words += 1
        for node, heard_topic, heard in list(self.air.ears):
            if heard_topic == topic and node != self.node and not {node, self.node} & self.air.away:
                heard(word)

    def hear(self, topic: str, heard: Callable[[str], None], begun: Callable[[], None]) -> Callable[[], None]:
        ear = (self.node, topic, heard)
        self.air.ears.append(ear)
        begun()
        return lambda: self.air.ears.remove(ear)


def two_nodes(air: Air, now: list[float]) -> tuple[Presence, Presence]:
    one, two = (Presence(air.at(name), name, lambda: now[0]) for name in ("a", "b"))
    return one, two


def test_those_who_look_are_told_of_each_other_on_every_node_until_they_look_away() -> None:
    air, told = Air(), list[str]()
    one, two = two_nodes(air, [0.0])
    ana = one.look(Q, "ana", told.append)
    assert one.people(Q) == ["ana"]
    ben = two.look(Q, "ben", told.append)
    assert one.people(Q) == two.people(Q) == ["ana", "ben"]
    again = two.look(Q, "ben", told.append)
    before = len(told)
    again()
    assert len(told) == before, "whoever still looks on another connection hasn't looked away"
    ben()
    ben()
    assert (one.people(Q), two.people(Q)) == (["ana"], [])
    ana()
    assert (one.people(Q), air.ears) == ([], []), "where nobody looks, nothing is kept, and nobody listens"


def test_what_was_missed_and_what_a_dead_node_said_is_put_right() -> None:
    air, now = Air(), [0.0]
    one, two = two_nodes(air, now)
    one.look(Q, "ana", lambda _: None)
    air.away.add("b")
    two.look(Q, "ben", lambda _: None)
    assert one.people(Q) == ["ana"]
    air.away.clear()
    two.renew()
    assert one.people(Q) == ["ana", "ben"]
    air.away.add("b")
    now[0] += KEPT_SECONDS + 1
    one.renew()
    assert one.people(Q) == ["ana"]


def test_word_of_another_version_is_no_word() -> None:
    air = Air()
    one, _ = two_nodes(air, [0.0])
    one.look(Q, "ana", lambda _: None)
    for word in ("", "[]", '{"node":"c"}', '{"node":"c","people":"x","asks":true}'):
        air.at("c").say(f"looks:{Q}", word)
    assert one.people(Q) == ["ana"]


def test_connection_looks_at_so_many_and_at_none_when_it_ends() -> None:
    presence, woken = Presence(NobodyElse(), "a", lambda: 0.0), list[None]()
    looks = Looks(presence, lambda: woken.append(None))
    for number in range(MAX_LOOKED_AT):
        looks.look(f"r{number}.run", "ana")
    with pytest.raises(Refusal, match="look away"):
        looks.look("one-more.run", "ana")
    looks.look("r0.run", "ana")
    woken.clear()
    looks.clear()
    assert (looks.has_news, woken) == (False, [])
    assert not any(presence.people(f"r{number}.run") for number in range(MAX_LOOKED_AT))


def test_where_it_is_switched_off_nobody_is_told_of_anybody() -> None:
    presence, told = Presence(NobodyElse(), "a", lambda: 0.0, is_on=False), list[str]()
    presence.look(Q, "ana", told.append)()
    assert (presence.people(Q), told) == ([], [])
