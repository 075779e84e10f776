"""Dagster's environment, which `make test` has made already."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from fleet import DAGSTER
from stage import ROOT


@pytest.fixture(scope="session", autouse=True)
def _dagster() -> None:
    if not (DAGSTER / "installed").exists():
        make = str(shutil.which("make"))
        subprocess.run([make, ".venv/dagster/installed"], cwd=ROOT, check=True, capture_output=True)
