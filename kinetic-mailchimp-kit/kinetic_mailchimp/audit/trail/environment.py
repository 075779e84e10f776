"""What the surroundings of a run say about it: where its data lives and which runs belong together."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kinetic_mailchimp.kit.encryption import reveal
from kinetic_mailchimp.kit.redaction import MASKER

ENCRYPTION_KEY_VARIABLE: Final = "AUDIT_ENCRYPTION_KEY"

CORRELATION_VARIABLE: Final = "SYNC_AUDIT_CORRELATION"
"""Set by a replay for the target that it starts."""

_CORRELATION_VARIABLES: Final = (
    CORRELATION_VARIABLE,
    "MELTANO_RUN_ID",  # set by who schedules `meltano run`, the same as its --run-id
    "MELTANO_PARENT_CONTEXT_UUID",  # set by Meltano for every plugin that one command starts
)


def default_database_url(environ: Mapping[str, str] = os.environ) -> str:
    """The URL of the SQLite file in the Meltano project, or else in the current folder."""
    root = Path(environ.get("MELTANO_PROJECT_ROOT") or Path.cwd())
    return f"sqlite:///{(root / 'data' / 'sync-audit.sqlite3').as_posix()}"


def correlation(environ: Mapping[str, str] = os.environ) -> str:
    """What the plugins of one `meltano run` have in common; a value of its own outside Meltano."""
    return next((environ[name] for name in _CORRELATION_VARIABLES if environ.get(name)), str(uuid.uuid4()))


def pipeline(environ: Mapping[str, str] = os.environ) -> str:
    """What Meltano runs a plugin in: its environment and the tap, `prod:tap-one`; empty elsewhere."""
    names = (environ.get("MELTANO_ENVIRONMENT"), environ.get("MELTANO_EXTRACTOR_NAME"))
    return ":".join(filter(None, names)) if names[1] else ""


def encryption_key(environ: Mapping[str, str] = os.environ) -> str | None:
    """The key that dead letters are encrypted with, in clear or as `enc:…`; None stores them in clear.

    Raises:
        ConfigurationError: It is encrypted and cannot be read; the error names the variable.
    """
    written = environ.get(ENCRYPTION_KEY_VARIABLE, "")
    key = str(reveal({ENCRYPTION_KEY_VARIABLE: written}, environ)[ENCRYPTION_KEY_VARIABLE])
    MASKER.add([key])
    return key or None
