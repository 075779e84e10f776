"""Reads the environment of a run: where its data lives, which runs belong together, the keys."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from typing import Final

from kinetic_mailchimp.kit.project import project_root
from kinetic_mailchimp.kit.redaction.masker import MASKER
from kinetic_mailchimp.kit.secrets.encryption import FieldEncryption, SecretBox, reveal
from kinetic_mailchimp.kit.secrets.keys import split_keys

ENCRYPTION_KEY_VARIABLE: Final = "AUDIT_ENCRYPTION_KEY"
ENCRYPTED_PREFIX: Final = "fernet:"
"""Marks a dead letter or a payload that is stored encrypted."""

CORRELATION_VARIABLE: Final = "SYNC_AUDIT_CORRELATION"
"""Set by a replay for the target that it starts."""

_CORRELATION_VARIABLES: Final = (
    CORRELATION_VARIABLE,
    "MELTANO_RUN_ID",  # set by the scheduler of `meltano run`, the same as its --run-id
    "MELTANO_PARENT_CONTEXT_UUID",  # set by Meltano for every plugin that one command starts
)


def default_database_url(environ: Mapping[str, str] = os.environ) -> str:
    """The URL of the SQLite file in the Meltano project, or else in the current folder."""
    return f"sqlite:///{(project_root(environ) / 'data' / 'sync-audit.sqlite3').as_posix()}"


def correlation(environ: Mapping[str, str] = os.environ) -> str:
    """Id that the plugins of one `meltano run` share; a value of its own outside Meltano."""
    return next((environ[name] for name in _CORRELATION_VARIABLES if environ.get(name)), str(uuid.uuid4()))


def pipeline(environ: Mapping[str, str] = os.environ) -> str:
    """Pipeline in which Meltano runs a plugin, as in `prod:tap-one`; empty elsewhere."""
    names = (environ.get("MELTANO_ENVIRONMENT"), environ.get("MELTANO_EXTRACTOR_NAME"))
    return ":".join(filter(None, names)) if names[1] else ""


def encryption_key(environ: Mapping[str, str] = os.environ) -> str | None:
    """The keys of dead letters and payloads, in clear or as `enc:…`; None stores them in clear.

    Several are separated by commas: the first encrypts, each decrypts.

    Raises:
        ConfigurationError: It is encrypted and cannot be read; the error names the variable.
    """
    written = environ.get(ENCRYPTION_KEY_VARIABLE, "")
    key = str(reveal({ENCRYPTION_KEY_VARIABLE: written}, environ)[ENCRYPTION_KEY_VARIABLE])
    MASKER.add([key, *split_keys(key)])
    return key or None


def record_encryption(keys: str | None) -> FieldEncryption:
    """Encryption of dead letters and payloads, as the trail stores them.

    Args:
        keys: Fernet keys, separated by commas; None stores in clear.

    Raises:
        ConfigurationError: A key is malformed; the error names the variable.
    """
    found = split_keys(keys or "")
    box = SecretBox(found, ENCRYPTION_KEY_VARIABLE, ENCRYPTED_PREFIX) if found else None
    if box is not None:
        _ = box.fernet  # a malformed key is reported before the run begins
    advice = f"Set {ENCRYPTION_KEY_VARIABLE} to the key with which it was written."
    return FieldEncryption(box, ENCRYPTED_PREFIX, advice)
