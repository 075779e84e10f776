"""Lets benchmarks run programs as their users do."""

from __future__ import annotations

import os

# A test environment may keep Python from storing what it compiled, and from buffering what it writes: then
# every start compiles all modules anew, and a tap writes line by line.
for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"):
    os.environ.pop(name, None)
