"""Settles how a plugin's process keeps and gives back its memory."""

from __future__ import annotations

import ctypes
import gc
import sys
from typing import Final

_OBJECTS_BETWEEN_COLLECTIONS: Final = 10_000
"""Containers that come before garbage is looked for. A batch on its way holds thousands, none of them
garbage: with Python's 700, an eighth of a run would be spent on looking at them again and again."""
_M_ARENA_MAX: Final = -8
"""The option of that name in glibc's `malloc.h`."""


def settle_memory() -> None:
    """Keep what is imported out of the search for garbage, and let all threads share one heap.

    Call it before the first thread starts: glibc gives each a heap of its own, and what a page or a batch
    needed for a short time would be held in every one of them.
    """
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    gc.enable()
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(_M_ARENA_MAX, 1)
