"""Settings that are encrypted at rest: `enc:…` in a configuration, in clear only inside the process."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from connector_kit.errors import ConfigurationError

PREFIX = "enc:"
KEY_VARIABLE = "CONNECTOR_SECRET_KEY"
KEY_FILE_VARIABLE = "CONNECTOR_SECRET_KEY_FILE"
HOW_TO_GET_A_KEY = (
    f"Set {KEY_VARIABLE}, or {KEY_FILE_VARIABLE} to a file that holds it; "
    "`connector-secrets keygen` makes a key."
)


@dataclass(frozen=True)
class SecretBox:
    """Encrypts with the first key, decrypts with any: so a key can be changed while both are in use."""

    keys: tuple[str, ...]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> SecretBox:
        """The keys of this process: comma-separated in a variable, or line by line in a file.

        Raises:
            ConfigurationError: There is no key, or it is none.
        """
        text = environment.get(KEY_VARIABLE, "")
        if not text and (file := environment.get(KEY_FILE_VARIABLE)):
            try:
                text = Path(file).read_text(encoding="utf-8")
            except OSError as error:
                raise ConfigurationError(
                    f"The key file cannot be read: {error.strerror}.", advice=f"Check {KEY_FILE_VARIABLE}."
                ) from error
        keys = tuple(key for key in text.replace(",", "\n").split() if key)
        if not keys:
            raise ConfigurationError("There is no key for encrypted settings.", advice=HOW_TO_GET_A_KEY)
        return cls(keys)

    def encrypt(self, clear: str) -> str:
        """`enc:` and the encrypted text."""
        return PREFIX + self._fernet().encrypt(clear.encode()).decode()

    def decrypt(self, value: str) -> str:
        """The text in clear.

        Raises:
            ConfigurationError: Another key was used, or the value is cut off or changed.
        """
        try:
            return self._fernet().decrypt(value.removeprefix(PREFIX).strip().encode()).decode()
        except InvalidToken as error:
            raise ConfigurationError(
                "An encrypted value cannot be read: it was made with another key, or it is cut off.",
                advice=f"Check {KEY_VARIABLE}, or encrypt the value again with `connector-secrets encrypt`.",
            ) from error

    def _fernet(self) -> MultiFernet:
        try:
            return MultiFernet([Fernet(key) for key in self.keys])
        except ValueError as error:
            raise ConfigurationError(
                "A key for encrypted settings is malformed.", advice=HOW_TO_GET_A_KEY
            ) from error


def is_encrypted(value: object) -> bool:
    """Whether a setting's value is encrypted."""
    return isinstance(value, str) and value.startswith(PREFIX)


def reveal(settings: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The settings with every `enc:…` value in clear, inside objects and lists too.

    Raises:
        ConfigurationError: A value cannot be decrypted; the error names its setting.
    """
    return {name: _reveal(value, name, environment) for name, value in settings.items()}


def _reveal(value: Any, name: str, environment: Mapping[str, str]) -> Any:  # noqa: ANN401 (settings are JSON)
    if isinstance(value, Mapping):
        return {key: _reveal(inner, f"{name}.{key}", environment) for key, inner in value.items()}
    if isinstance(value, list):
        return [_reveal(inner, f"{name}.{index}", environment) for index, inner in enumerate(value)]
    if not is_encrypted(value):
        return value
    try:
        return SecretBox.from_environment(environment).decrypt(value)
    except ConfigurationError as error:
        raise ConfigurationError(f"Setting `{name}`: {error.message}", advice=error.advice) from error


def secret_values(settings: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterable[str]:
    """The values of all settings that a plugin's schema marks as secret."""
    for name, definition in schema.get("properties", {}).items():
        value = settings.get(name)
        if definition.get("secret") and isinstance(value, str):
            yield value
