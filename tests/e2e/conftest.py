"""What the end-to-end tests share."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from stage import PROGRAMS, ROOT


@pytest.fixture(scope="session")
def plugins(tmp_path_factory) -> Path:
    """Install the plugins as the README says, apart from those of the checkout, which may be at work."""
    folder: Path = tmp_path_factory.mktemp("meltano")
    environment = {**os.environ, "MELTANO_SYS_DIR_ROOT": str(folder)}
    subprocess.run(
        [PROGRAMS / "meltano", "install"], cwd=ROOT, env=environment, check=True, capture_output=True
    )
    return folder
