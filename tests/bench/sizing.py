"""How large a benchmark is: as it is judged, or just large enough to show that it still runs."""

from __future__ import annotations

import os

SMOKE = bool(os.environ.get("BENCH_SMOKE"))
"""Judge only that a benchmark runs and what it counts: how fast it was says nothing at such a size."""


def size(full: int, smoke: int, variable: str = "") -> int:
    """How much of something a benchmark works on.

    Args:
        full: As it is judged.
        smoke: With `BENCH_SMOKE` set.
        variable: The environment variable that sets another number, if there is one.
    """
    return int(os.environ.get(variable) or (smoke if SMOKE else full))
