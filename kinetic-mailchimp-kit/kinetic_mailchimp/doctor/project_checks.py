"""Checks of the project itself: its files, its schedules, its keys, and settings that must agree."""

from __future__ import annotations

import codecs
import difflib
import json
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from kinetic_mailchimp.kit.checks import Check, Finding, Verdict, note
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.project import PROJECT_FILE, Project, env_file
from kinetic_mailchimp.kit.redaction.secret_names import references
from kinetic_mailchimp.kit.secrets.check import CLEAR, find_secrets
from kinetic_mailchimp.kit.secrets.encryption import SecretBox, reveal
from kinetic_mailchimp.kit.secrets.files import SettingsFile
from kinetic_mailchimp.kit.secrets.keys import split_keys
from kinetic_mailchimp.kit.settings.from_text import names_in

_AUDIT_KEY: Final = "AUDIT_ENCRYPTION_KEY"
_CRON_FIELD: Final = r"(\*|\d+(-\d+)?|[A-Za-z]{3}(-[A-Za-z]{3})?)(/\d+)?"
_CRON: Final = re.compile(
    rf"@(once|manual|none|hourly|daily|weekly|monthly|yearly)|{_CRON_FIELD}(,{_CRON_FIELD})*(\s+{_CRON_FIELD}(,{_CRON_FIELD})*){{4}}"
)
_SIMILAR: Final = 0.8
_MATRIX: Final = ("audiences_by_company", "opt_outs_count_in")


def project_checks(project: Project, plugins: Sequence[str]) -> list[Check]:
    """The checks of a project.

    Args:
        project: As its files are written.
        plugins: The plugins of it that can be checked.
    """
    return [
        Check("files", lambda: _look_at_files(project)),
        Check("keys", lambda: _look_at_keys(project)),
        Check("schedules", lambda: _look_at_schedules(project)),
        Check("shared settings", lambda: _look_at_shared({name: project.config(name) for name in plugins})),
    ]


def _look_at_files(project: Project) -> Iterator[Finding | str]:
    file = env_file(project.environ)
    if project.document:
        names = [str(one["name"]) for one in project.document.get("environments") or []]
        if project.environment and project.environment not in names:
            raise ConfigurationError(
                f"{project.root / PROJECT_FILE} has no environment {project.environment!r}.",
                advice=f"Use one of {', '.join(names)}: --environment, or `MELTANO_ENVIRONMENT`.",
            )
        used = project.environment or "none"
        yield f"{project.root / PROJECT_FILE} can be read; the environment is {used}."
    if not file.is_file():
        yield note(f"There is no {file}.", "`make setup` writes it; or copy .env.example.")
        return
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield Finding(Verdict.WRONG, f"Others can read {file} (mode {mode:03o}).", f"Run `chmod 600 {file}`.")
    if file.read_bytes().startswith(codecs.BOM_UTF8):
        text = f"{file} begins with a byte order mark, which counts as a part of its first variable's name."
        yield Finding(Verdict.WRONG, text, "Save it as UTF-8 without a mark (BOM).")
        return
    yield from _find_misspelled(project, file)
    clear = [found for found in find_secrets([SettingsFile.read(file)]) if found.state == CLEAR]
    if clear:
        yield note(
            f"{len(clear)} secrets stand in clear in {file}.",
            "`connector-secrets check` names them, and `connector-secrets encrypt` encrypts them.",
        )
    else:
        yield f"No secret stands in clear in {file}."


def _find_misspelled(project: Project, file: Path) -> Iterator[Finding]:
    """Variables that nothing reads, where one that is read and not set has nearly the same name."""
    wanted = set(variables_in(project.document))
    unset = [name for name in wanted if not project.variables.get(name)]
    for name in sorted(project.written.keys() - wanted):
        if similar := difflib.get_close_matches(name, unset, 1, _SIMILAR):
            text = f"{name} in {file} is read by nothing, and {similar[0]} is not set."
            yield Finding(Verdict.WRONG, text, f"Rename it to {similar[0]}.")


def variables_in(written: Any) -> Iterator[str]:  # noqa: ANN401 (YAML)
    """The variables that texts of a document refer to."""
    if isinstance(written, Mapping):
        written = list(written.values())
    if isinstance(written, list):
        for inner in written:
            yield from variables_in(inner)
    elif isinstance(written, str):
        yield from references(written)


def _look_at_keys(project: Project) -> Iterator[Finding | str]:
    encrypted = {name: value for name, value in project.written.items() if value.startswith("enc:")}
    clear = reveal(encrypted, project.variables)
    if encrypted:
        yield f"All {len(encrypted)} encrypted settings can be read."
    keys = split_keys(str(clear.get(_AUDIT_KEY) or project.variables.get(_AUDIT_KEY) or ""))
    if not keys:
        yield note(
            "Dead letters in the audit trail are stored in clear.",
            f"`connector-secrets keygen` makes a key for {_AUDIT_KEY}.",
        )
        return
    _ = SecretBox(keys, _AUDIT_KEY).fernet
    yield "Dead letters in the audit trail are encrypted."


def _look_at_schedules(project: Project) -> Iterator[Finding | str]:
    if not project.document:
        return
    jobs = {str(job["name"]) for job in project.document.get("jobs") or []}
    schedules = project.document.get("schedules") or []
    for schedule in schedules:
        name, job, interval = (str(schedule.get(key, "")) for key in ("name", "job", "interval"))
        if job and job not in jobs:
            raise ConfigurationError(
                f"Schedule `{name}` runs the job {job!r}, which is not there.",
                advice=f"Use one of {', '.join(sorted(jobs))} in {PROJECT_FILE}.",
            )
        if not _CRON.fullmatch(interval):
            raise ConfigurationError(
                f"`interval` of schedule `{name}` is not a valid cron expression: {interval!r}.",
                advice='Write five fields, such as "*/15 * * * *", or @hourly.',
            )
    if schedules:
        yield note(
            f"{len(schedules)} schedules are valid; Meltano itself starts none of them.",
            "Let cron, a systemd timer or an orchestrator run `meltano run JOB`.",
        )


def _look_at_shared(configs: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding | str]:
    """Settings that mean the same thing in several plugins."""
    for setting, why in (
        ("audit_database_url", "each direction must know what the other one did"),
        ("companies", "an opt-out would not reach every company that is read"),
    ):
        values = {name: words_in(config[setting]) for name, config in configs.items() if setting in config}
        if len(set(values.values())) > 1:
            raise ConfigurationError(
                f"`{setting}` differs between {' and '.join(values)}: {why}.",
                advice="Let both take it from one variable.",
            )
    for setting in _MATRIX:
        written = {
            name: json.dumps(_to_object(config.get(setting)), sort_keys=True)
            for name, config in configs.items()
            if name.startswith("target-")
        }
        if len(set(written.values())) > 1:
            raise ConfigurationError(
                f"`{setting}` differs between {' and '.join(written)}: opt-outs would not reach who is fed.",
                advice="Write it once, with `&name` before it, and `*name` in the other plugin.",
            )
    if configs:
        yield "Settings that the plugins share agree."


def _to_object(value: Any) -> Mapping[str, Any]:  # noqa: ANN401 (JSON)
    """An object, whether it is written as one or as JSON; empty for what is not one."""
    try:
        read = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return {}  # the plugin itself says so
    return read if isinstance(read, Mapping) else {}


def words_in(value: Any) -> frozenset[str]:  # noqa: ANN401 (JSON)
    """The words of a list, whether it is written as one, as JSON, or with commas between."""
    return frozenset(names_in([value] if isinstance(value, str) else value))
