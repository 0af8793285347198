"""A separate thread writes frames to their file, so that the device can compute the next frame meanwhile."""

import queue
import threading
from collections.abc import Callable

WAITING_TASKS = 4


class Writer:
    """Does tasks in the order in which they are put; at most a few wait.

    Use it as a context: leaving it waits for the last task and raises what went wrong with any.
    """

    def __init__(self) -> None:
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue(WAITING_TASKS)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="frame writer", daemon=True)

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._queue.put(None)
        self._thread.join()
        if self._error is not None and kind is None:
            raise self._error

    def put(self, task: Callable[[], None]) -> None:
        """Hand over a task. Raises what went wrong with an earlier one."""
        if self._error is not None:
            raise self._error
        self._queue.put(task)

    def _run(self) -> None:
        while (task := self._queue.get()) is not None:
            if self._error is None:
                try:
                    task()
                except BaseException as error:  # kept for the thread that simulates, which raises it
                    self._error = error
