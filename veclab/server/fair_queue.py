"""A queue in which nobody waits for everybody else's whole work."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")

# Clients remembered after their last item was served, for what they had ahead of their turn.
_REMEMBERED = 4096


@dataclass(slots=True)
class _Flow(Generic[T]):
    """What waits on one connection, in order of arrival."""

    tag: float
    waiting: deque[tuple[T, int]] = field(default_factory=deque)


@dataclass(slots=True)
class _Client(Generic[T]):
    tag: float
    now: float = 0.0
    flows: dict[str, _Flow[T]] = field(default_factory=dict)
    order: list[tuple[float, int, str]] = field(default_factory=list)


class FairQueue(Generic[T]):
    """Start-time fair queueing over two levels: clients, and each client's connections.

    Of two clients with work each is served the same cost, however much of it the other has
    waiting; so are the connections of one client among themselves. A newcomer is next in turn
    (Goyal, Vin and Cheng, Start-Time Fair Queueing, SIGCOMM 1996). Not safe for threads by itself.

    Attributes:
        cost: of all that waits, together.
    """

    def __init__(self) -> None:
        self.cost = 0
        self._now = 0.0
        self._count = 0
        self._clients: dict[str, _Client[T]] = {}
        self._order: list[tuple[float, int, str]] = []
        self._ahead: dict[str, float] = {}

    def __len__(self) -> int:
        return sum(len(f.waiting) for c in self._clients.values() for f in c.flows.values())

    def put(self, client: str, flow: str, item: T, cost: int) -> None:
        """Put an item at the end of a client's connection."""
        self._count += 1
        self.cost += cost
        its = self._clients.get(client)
        if its is None:
            its = self._clients[client] = _Client(max(self._now, self._ahead.pop(client, 0.0)))
            heapq.heappush(self._order, (its.tag, self._count, client))
        lane = its.flows.get(flow)
        if lane is None:
            lane = its.flows[flow] = _Flow(its.now)
            heapq.heappush(its.order, (lane.tag, self._count, flow))
        lane.waiting.append((item, cost))

    def take(self, budget: int, dead: Callable[[T], bool] = lambda item: False) -> list[T]:
        """Take items in their turn until they cost `budget`; one at least, where there is one.

        Args:
            budget: of cost; the last item may go over it.
            dead: says that nobody wants an item any more. It is dropped, and costs nobody a turn.
        """
        taken: list[T] = []
        spent = 0
        while self._order and (spent < budget or not taken):
            item, cost, client, flow = self._first()
            if dead(item):
                self._pop(client, flow, cost, charge=0)
                continue
            self._pop(client, flow, cost, charge=cost)
            taken.append(item)
            spent += cost
        return taken

    def _first(self) -> tuple[T, int, str, str]:
        self._now, _, client = self._order[0]
        its = self._clients[client]
        its.now, _, flow = its.order[0]
        item, cost = its.flows[flow].waiting[0]
        return item, cost, client, flow

    def _pop(self, client: str, flow: str, cost: int, charge: int) -> None:
        self._count += 1
        self.cost -= cost
        its = self._clients[client]
        lane = its.flows[flow]
        lane.waiting.popleft()
        lane.tag += charge
        if lane.waiting:
            heapq.heapreplace(its.order, (lane.tag, self._count, flow))
        else:
            heapq.heappop(its.order)
            del its.flows[flow]
        its.tag += charge
        if its.flows:
            heapq.heapreplace(self._order, (its.tag, self._count, client))
        else:
            heapq.heappop(self._order)
            del self._clients[client]
            self._remember(client, its.tag)

    def _remember(self, client: str, tag: float) -> None:
        """Keep what a client had ahead of its turn: leaving and coming again gains nothing."""
        self._ahead[client] = tag
        if len(self._ahead) > _REMEMBERED:
            self._ahead = {name: t for name, t in self._ahead.items() if t > self._now}
