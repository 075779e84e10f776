"""Settings that all tests share: no example of a property fails because the machine is busy, or by chance.

The same examples are tried in every run; `HYPOTHESIS_PROFILE=search` tries others each time. No program of a
test reads the .env of whoever works here. What all tests hold is looked through for garbage less often, which
takes an eighth of their time otherwise.
"""

from __future__ import annotations

import gc
import os

from hypothesis import HealthCheck, settings

os.environ["CONNECTOR_ENV_FILE"] = os.devnull
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("patient", settings.get_profile("search"), derandomize=True)
settings.load_profile("search" if os.environ.get("HYPOTHESIS_PROFILE") == "search" else "patient")
gc.set_threshold(20_000, 50, 100)
