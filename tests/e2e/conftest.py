"""What the end-to-end tests share."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from followed import Project
from stage import PROGRAMS, ROOT, Stage, set_stage


@pytest.fixture(scope="session")
def plugins(tmp_path_factory) -> Path:
    """Install the plugins as the README says, apart from those of the checkout, which may be at work."""
    folder: Path = tmp_path_factory.mktemp("meltano")
    environment = {**os.environ, "MELTANO_SYS_DIR_ROOT": str(folder)}
    subprocess.run(
        [PROGRAMS / "meltano", "install"], cwd=ROOT, env=environment, check=True, capture_output=True
    )
    return folder


@pytest.fixture(scope="module")
def documented(tmp_path_factory) -> Iterator[Stage]:
    """Both simulators, for the pages of the documentation that a test follows."""
    folder = tmp_path_factory.mktemp("documentation") / "stage"
    with set_stage(folder, customers=40, orders=3, receiver=False) as running:
        yield running


@pytest.fixture
def project(documented, tmp_path) -> Project:
    """A project's folder between them."""
    return Project.make(tmp_path / "project", documented)
