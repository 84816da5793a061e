"""An event loop for one owner."""

import asyncio
import gc
import threading

from tests.waiting import wait_until
from veclab.models.openai.event_loop import EventLoop


class Owner:
    pass


class Client:
    closed_in = None

    async def close(self):
        self.closed_in = threading.current_thread()


async def thread():
    await asyncio.sleep(0)
    return threading.current_thread()


def test_it_runs_in_a_thread_that_ends_with_the_owner_and_closes_what_was_opened():
    owner, client = Owner(), Client()
    loop = EventLoop(owner)
    loop.clients.append(client)
    runs = loop.run(thread())
    assert runs is loop.run(thread()) is not threading.current_thread()
    called = threading.Event()
    loop.call(called.set)
    wait_until(called.is_set)
    del owner
    gc.collect()
    wait_until(lambda: not runs.is_alive())
    assert client.closed_in is runs


def test_an_abandoned_one_outlives_its_owner():
    owner = Owner()
    loop = EventLoop(owner)
    runs = loop.run(thread())
    loop.abandon()
    del owner
    gc.collect()
    assert loop.run(thread()) is runs
    loop.call(loop._loop.stop)
