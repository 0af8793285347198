"""Frames go to their file in a thread of their own, so that the device computes the next one meanwhile."""

import queue
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from trace_audit.core.errors import InputError

if TYPE_CHECKING:
    import torch

WAITING_FRAMES = 4


def copy_to_host(image: "torch.Tensor") -> Callable[[], np.ndarray]:
    """Start the copy of an image to the host; what is returned waits for it and gives the array.

    On a GPU the copy goes into pinned memory behind the work that makes the image, and nothing waits here.
    """
    import torch

    if image.device.type == "cpu":
        return image.numpy
    host = torch.empty(image.shape, dtype=image.dtype, pin_memory=True)
    host.copy_(image, non_blocking=True)
    done = torch.cuda.Event()
    done.record()

    def wait() -> np.ndarray:
        done.synchronize()
        return host.numpy()

    return wait


class FrameWriter:
    """Writes frames to a dataset in the order in which they are put; at most a few wait.

    Use it as a context: leaving it waits for the last frame and raises what went wrong with any.
    """

    def __init__(self, dataset: Any, name_of: Callable[[int], str]):
        self._dataset, self._name_of = dataset, name_of
        self._queue: queue.Queue[tuple[int, Callable[[], np.ndarray]] | None] = queue.Queue(WAITING_FRAMES)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="frame writer", daemon=True)

    def __enter__(self) -> "FrameWriter":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._queue.put(None)
        self._thread.join()
        if self._error is not None and kind is None:
            raise self._error

    def put(self, index: int, image: "torch.Tensor") -> None:
        """Hand over frame `index`. Raises what went wrong with an earlier one."""
        if self._error is not None:
            raise self._error
        self._queue.put((index, copy_to_host(image)))

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._error is None:
                try:
                    self._write(*item)
                except BaseException as error:  # kept for the thread that simulates, which raises it
                    self._error = error

    def _write(self, index: int, wait: Callable[[], np.ndarray]) -> None:
        frame = wait()
        if not np.isfinite(frame).all():
            slow, fast = np.argwhere(~np.isfinite(frame))[0]
            raise InputError(
                f"{self._name_of(index)}: pixel ({slow}, {fast}) (slow, fast) is {frame[slow, fast]}, "
                "expected photons; trace it with -trace_pixel"
            )
        self._dataset[index] = frame
