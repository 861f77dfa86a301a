"""Workers, one for each device, and one line of bounded length before all of them."""

import asyncio
import contextlib
import math
import time
from concurrent.futures import ThreadPoolExecutor

from inpainting_zoo.serving.refusal import Refusal


class Line:
    """Requests that wait for one of the threads that complete pictures.

    But for `close`, to be used in one event loop.

    Args:
        places: how many may be there at once, those being uploaded or worked on
            included; at least 1.

    Attributes:
        taken: places that are taken.
        workers: `(thread, held)` of each, in the order in which they came.
    """

    def __init__(self, places: int):
        self.places, self.taken, self.workers = places, 0, []
        self._free = asyncio.PriorityQueue()  # numbers of workers, lower ones first
        self._seconds = 1.0  # that the last job took

    def hire(self, held):
        """Adds a worker, which gives what it holds to all that it runs."""
        number = len(self.workers)
        thread = ThreadPoolExecutor(1, thread_name_prefix=f"worker_{number}")
        self.workers.append((thread, held))
        self._free.put_nowait(number)

    @contextlib.contextmanager
    def place(self):
        """Keeps a place for as long as the block runs.

        Raises:
            Refusal: 503 if none is free.
        """
        if self.taken >= self.places:
            wait = str(max(1, math.ceil(self._seconds)))
            raise Refusal(
                503,
                f"queue: at most {self.places} requests at once, received one more; "
                f"try again in {wait} s",
                retry_after=wait,
            )
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1

    async def work(self, function, gone=None):
        """Runs a function in the first worker that is free, after those before it.

        Args:
            function: takes what the worker holds.
            gone: a coroutine that returns when nobody waits for the result any more.
                What has not begun by then never does; what has is not interrupted.

        Returns:
            Its result, or None if nobody waits.
        """
        job = asyncio.ensure_future(self._in_turn(function))
        waits = [job, *([asyncio.ensure_future(gone)] if gone else [])]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return job.result() if job.done() else None
        finally:
            for wait in waits:
                wait.cancel()

    def close(self):
        """Forgets those that wait; those that are worked on are finished."""
        for thread, _ in self.workers:
            thread.shutdown(wait=False, cancel_futures=True)

    async def _in_turn(self, function):
        number = await self._free.get()
        thread, held = self.workers[number]
        begun = asyncio.wrap_future(thread.submit(self._timed, function, held))
        begun.add_done_callback(lambda _: self._free.put_nowait(number))
        return await asyncio.shield(begun)

    def _timed(self, function, held):
        start = time.perf_counter()
        try:
            return function(held)
        finally:
            self._seconds = time.perf_counter() - start
