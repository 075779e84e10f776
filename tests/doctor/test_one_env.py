"""Every command reads the project's .env, wherever in the project it is called: so the same databases."""

from __future__ import annotations

import pytest
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail


@pytest.mark.parametrize("folder", [".", "below"])
@pytest.mark.parametrize("is_named", [True, False])
def test_the_trail_is_the_one_that_the_targets_write(project, folder, is_named):
    file = project.folder / ("named.sqlite3" if is_named else "data/sync-audit.sqlite3")
    project.variables["AUDIT_DATABASE_URL"] = f"sqlite:///{file}" if is_named else ""
    project.write()
    with AuditTrail.open(f"sqlite:///{file}") as trail:
        trail.start_run(plugin="target-mailchimp", version="0.1.0").finish()

    shown = project.run("sync-audit", "runs", folder=folder)

    assert shown.returncode == 0, shown.stderr
    assert "target-mailchimp" in shown.stdout


def test_what_the_process_was_given_comes_first(project):
    project.variables["AUDIT_DATABASE_URL"] = "sqlite:///from-the-file.sqlite3"
    project.write()
    project.environ["AUDIT_DATABASE_URL"] = "sqlite:///given.sqlite3"

    shown = project.run("sync-audit", "runs")

    assert shown.returncode == 3
    assert "There is no audit trail at given.sqlite3." in shown.stderr


def test_another_file_may_be_named(project):
    project.write()
    (project.folder / "other.env").write_text("AUDIT_DATABASE_URL=sqlite:///other.sqlite3\n")
    project.environ["CONNECTOR_ENV_FILE"] = "other.env"

    assert "no audit trail at other.sqlite3" in project.run("sync-audit", "runs").stderr


def test_a_file_that_cannot_be_read_is_named(project):
    project.write()
    (project.folder / ".env").write_bytes(b"AUDIT_DATABASE_URL=\xff\n")

    shown = project.run("sync-audit", "runs")

    assert shown.returncode == 3
    assert "/.env cannot be read: it is not UTF-8. Correct its permissions or its text" in shown.stderr
    assert "Traceback" not in shown.stderr
