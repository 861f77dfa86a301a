"""One worker, and a line of bounded length before it."""

import asyncio
import contextlib
import math
import time
from concurrent.futures import ThreadPoolExecutor

from inpainting_zoo.serving.refusal import Refusal


class Line:
    """Requests that wait for the one thread that completes pictures.

    Args:
        places: how many may be there at once, those being uploaded or worked on
            included; at least 1.

    Attributes:
        taken: places that are taken.
    """

    def __init__(self, places: int):
        self.places, self.taken = places, 0
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="worker")
        self._seconds = 1.0  # that the last job took

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

    async def work(self, function, *arguments, gone=None):
        """Runs a function in the worker, after those that came before.

        Args:
            function, *arguments: what to call.
            gone: a coroutine that returns when nobody waits for the result any more.
                What has not begun by then never does; what has is not interrupted.

        Returns:
            Its result, or None if nobody waits.
        """
        submitted = self._worker.submit(self._timed, function, arguments)
        job = asyncio.wrap_future(submitted)
        waits = [job, *([asyncio.ensure_future(gone)] if gone else [])]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return job.result() if job.done() else None
        finally:
            submitted.cancel()
            for wait in waits:
                wait.cancel()

    def close(self):
        """Forgets those that wait; the one that is worked on is finished."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _timed(self, function, arguments):
        start = time.perf_counter()
        try:
            return function(*arguments)
        finally:
            self._seconds = time.perf_counter() - start
