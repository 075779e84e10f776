"""What the tests of the doctor share: both simulators, and a project between them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml
from stage import ROOT, Stage, set_stage
from user_project import Project


@pytest.fixture(scope="session")
def running(tmp_path_factory) -> Iterator[Stage]:
    """Both simulators and the receiver, for all tests: the doctor changes nothing there."""
    with set_stage(tmp_path_factory.mktemp("stage") / "stage", customers=30) as stage:
        yield stage


@pytest.fixture
def project(running, tmp_path) -> Project:
    variables = {
        name: value
        for name, value in running.environment.items()
        if name.startswith(("AUDIT_", "EPICOR_", "MAILCHIMP_"))
    }
    document = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    return Project(tmp_path, variables, document)
