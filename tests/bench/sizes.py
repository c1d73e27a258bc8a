"""How much work each row is, and what a measurement comes to."""

from dataclasses import dataclass
from typing import TypeAlias

Figures: TypeAlias = dict[str, list[float]]
"""What was measured of each row: mostly one figure, several where the row's work is done several times."""


@dataclass(frozen=True, slots=True)
class Sizes:
    deltas: int = 20_000
    runs: int = 200
    at_a_time: int = 20
    latencies: int = 50
    large: int = 100_000
    followers: int = 500
    broadcasts: int = 1_000
    sockets: int = 3_000
    kills: int = 5
    paused: int = 100_000
    waiting: int = 100_000
    instances: int = 200
    events: int = 10_000
    listed: int = 1_000_000
    pairs: int = 200
    deliveries: int = 20_000
    inboxes: int = 5_000
    members: int = 500


FULL = Sizes()
QUICK = Sizes(
    deltas=5_000,
    runs=40,
    at_a_time=10,
    latencies=15,
    large=20_000,
    followers=100,
    broadcasts=500,
    sockets=500,
    kills=2,
    paused=2_000,
    waiting=5_000,
    instances=40,
    events=1_000,
    listed=20_000,
    pairs=40,
    deliveries=4_000,
    inboxes=500,
    members=50,
)
