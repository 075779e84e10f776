"""Finds the keys of encrypted settings: in the environment, in a file, in the keyring of the system."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.secrets.private_files import warn_if_shared

KEY_VARIABLE = "CONNECTOR_SECRET_KEY"
KEY_FILE_VARIABLE = "CONNECTOR_SECRET_KEY_FILE"
KEYRING_SERVICE = "connector-secrets"
KEYRING_ENTRY = "key"
KEYRING_EXTRA = "pip install 'kinetic-mailchimp-kit[keyring]'"
HOW_TO_GET_A_KEY = (
    f"Set {KEY_VARIABLE}, or {KEY_FILE_VARIABLE} to a file that holds it, or keep it in the keyring of the "
    f"system ({KEYRING_EXTRA}); `connector-secrets keygen` makes a key."
)


@dataclass(frozen=True)
class FoundKeys:
    """Keys and their source.

    Attributes:
        keys: The first encrypts, each decrypts; not shown.
        source: The variable that holds or names them, or the keyring; fit for a message.
    """

    keys: tuple[str, ...] = field(repr=False)
    source: str


def find_keys(environment: Mapping[str, str]) -> FoundKeys | None:
    """The keys of the first source that has any: a variable, a file, the keyring of the system.

    Raises:
        ConfigurationError: A source is named and cannot be read.
    """
    if keys := split_keys(environment.get(KEY_VARIABLE, "")):
        return FoundKeys(keys, KEY_VARIABLE)
    return _from_file(environment) or _from_keyring()


def split_keys(text: str) -> tuple[str, ...]:
    """Keys that stand in one text, separated by commas, blanks or line ends."""
    return tuple(text.replace(",", " ").split())


def _from_file(environment: Mapping[str, str]) -> FoundKeys | None:
    name = environment.get(KEY_FILE_VARIABLE, "").strip()
    if not name:
        return None
    try:
        file = Path(name).expanduser()
        keys = split_keys(file.read_text(encoding="utf-8"))
        warn_if_shared(file)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"The key file cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}.",
            advice=f"Check {KEY_FILE_VARIABLE}.",
        ) from error
    if not keys:
        raise ConfigurationError(
            "The key file is empty.",
            advice=f"Check {KEY_FILE_VARIABLE}; `connector-secrets keygen --file` makes such a file.",
        )
    return FoundKeys(keys, KEY_FILE_VARIABLE)


def _from_keyring() -> FoundKeys | None:
    try:
        keys = split_keys(read_keyring() or "")
    except KeyringUnavailableError:
        return None
    return FoundKeys(keys, "the keyring of the system") if keys else None


class KeyringUnavailableError(ConfigurationError):
    """There is no keyring here: the package is missing, or the system has none."""


def read_keyring() -> str | None:
    """Keys that the keyring of the system holds for these connectors, separated by commas.

    Raises:
        KeyringUnavailableError: There is no keyring.
        ConfigurationError: It is there, but locked or refused.
    """
    return _ask_keyring(lambda keyring: keyring.get_password(KEYRING_SERVICE, KEYRING_ENTRY))


def write_keyring(keys: tuple[str, ...]) -> None:
    """Put keys into the keyring of the system, in place of those that are there; raises as `read_keyring`."""
    _ask_keyring(lambda keyring: keyring.set_password(KEYRING_SERVICE, KEYRING_ENTRY, ",".join(keys)))


def _ask_keyring(question: Callable[[ModuleType], str | None]) -> str | None:
    try:
        import keyring  # noqa: PLC0415 (of an extra)
        from keyring.errors import KeyringError, NoKeyringError  # noqa: PLC0415 (likewise)
    except ModuleNotFoundError as error:
        raise KeyringUnavailableError(
            "The keyring of the system needs the extra `keyring`.", advice=f"Run {KEYRING_EXTRA}."
        ) from error
    try:
        return question(keyring)
    except NoKeyringError as error:
        raise KeyringUnavailableError(
            "This system has no keyring.", advice=f"Use {KEY_FILE_VARIABLE} instead."
        ) from error
    except KeyringError as error:
        # Backends word their errors themselves, so that they could quote what was asked for.
        raise ConfigurationError(
            f"The keyring of the system does not answer ({type(error).__name__}).",
            advice=f"Unlock it, or use {KEY_FILE_VARIABLE} instead.",
        ) from None
