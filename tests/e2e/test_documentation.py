"""The pages of the documentation, followed from their own words between the simulators."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from followed import Project
from stage import ROOT, Stage, set_stage

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def stage(plugins, tmp_path_factory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("documentation") / "stage"
    with set_stage(folder, customers=40, receiver=False, plugins=plugins) as running:
        yield running


@pytest.fixture
def project(stage, tmp_path) -> Project:
    return Project.make(tmp_path / "project", stage, {})


def test_the_tutorial_leads_to_both_directions(project, stage):
    project.follow(DOCS / "tutorial.md")

    assert stage.members()
    assert "succeeded" in project.said["meltano --environment=prod run reverse"]
