"""How large a benchmark is: as it is judged, or just large enough to show that it still runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

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


def keep(name: str, **numbers: float) -> None:
    """Add what a benchmark measured to the file that `BENCH_JSON` names, if it does.

    Args:
        name: What was measured.
        numbers: By quantity, whose unit its name ends in.
    """
    if not (path := os.environ.get("BENCH_JSON")):
        return
    file = Path(path)
    known = json.loads(file.read_text()) if file.exists() else {}
    rounded = {quantity: round(number, 4) for quantity, number in numbers.items()}
    file.write_text(json.dumps(known | {name: rounded}, indent=1, sort_keys=True) + "\n")
