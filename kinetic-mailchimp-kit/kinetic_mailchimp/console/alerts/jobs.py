"""Reads Meltano's own database: the only place that knows of a run whose tap or mapper broke."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa

from kinetic_mailchimp.console.alerts.facts import JobFact, as_stored
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.project import Project, project_root

_RUNS = sa.table("runs", *map(sa.column, ("id", "job_name", "state", "ended_at")))
_ENDED = {"SUCCESS": False, "FAIL": True, "DEAD": True}
"""State of a run that has ended, and whether it failed."""
_STATE_ID: Final = re.compile(r"(?:(?P<environment>[^:]+):)?(?P<tap>[^:]+?)-to-(?P<target>[^:]+)(?::.*)?")


def collect_jobs(url: str, environ: Mapping[str, str] = os.environ) -> tuple[JobFact, ...] | None:
    """Of each job the last run that ended; None where Meltano has no database yet.

    Args:
        url: Of the database; empty for the SQLite file of the project.
        environ: Names the Meltano environment, to whose jobs it keeps where there is one.

    Raises:
        ConfigurationError: The database cannot be read.
    """
    if not url:
        file = project_root(environ) / ".meltano" / "meltano.db"
        if not file.is_file():
            return None
        url = f"sqlite:///{file}"
    last = (
        sa.select(sa.func.max(_RUNS.c.id)).where(_RUNS.c.state.in_(_ENDED)).group_by(_RUNS.c.job_name)
    ).scalar_subquery()
    try:
        engine = sa.create_engine(url, hide_parameters=True)
        with engine.connect() as connection:
            rows = connection.execute(sa.select(_RUNS).where(_RUNS.c.id.in_(last)).order_by(_RUNS.c.id)).all()
        engine.dispose()
    except (sa.exc.SQLAlchemyError, ModuleNotFoundError, ValueError) as error:
        raise ConfigurationError(
            f"Meltano's database cannot be read ({type(error).__name__}).",
            advice="Check --meltano-database, AUDIT_ALERT_MELTANO_DATABASE or MELTANO_DATABASE_URI.",
        ) from None
    prefix = f"{environ['MELTANO_ENVIRONMENT']}:" if environ.get("MELTANO_ENVIRONMENT") else ""
    project = Project.find(environ=environ)
    return tuple(
        JobFact(
            name=row.job_name,
            is_failed=_ENDED[row.state],
            ended_at=as_stored(row.ended_at),
            command=_command(row.job_name, project),
        )
        for row in rows
        if str(row.job_name).startswith(prefix)
    )


def _command(name: str, project: Project) -> str:
    """The command that runs a job, which Meltano names by its environment, its tap and its target."""
    if (found := _STATE_ID.fullmatch(name)) is None:
        return ""
    environment = f" --environment={found['environment']}" if found["environment"] else ""
    for job, blocks in project.tasks():
        if blocks and (blocks[0], blocks[-1]) == (found["tap"], found["target"]):
            return f"meltano{environment} run {job}"
    return ""
