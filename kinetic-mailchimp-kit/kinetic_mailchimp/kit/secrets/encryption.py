"""Settings that are encrypted at rest: `enc:…` in a configuration, in clear only inside the process."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.redaction.masker import MASKER
from kinetic_mailchimp.kit.redaction.secret_names import is_address_alone, passwords_in_url
from kinetic_mailchimp.kit.secrets.keys import HOW_TO_GET_A_KEY, KEY_VARIABLE, find_keys

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

PREFIX = "enc:"

# Version, time, initialisation vector and signature of a Fernet token, beside its blocks of encrypted text.
_FERNET_VERSION, _FERNET_FRAME, _BLOCK = 0x80, 57, 16


@dataclass(frozen=True)
class SecretBox:
    """Encrypts with the first key, decrypts with any: so a key can be changed while both are in use.

    Attributes:
        keys: Fernet keys, as `connector-secrets keygen` prints them.
        prefix: Marks what is encrypted.
    """

    keys: tuple[str, ...] = field(repr=False)
    source: str = KEY_VARIABLE
    prefix: str = PREFIX

    def __post_init__(self) -> None:
        """The keys are secrets as well."""
        MASKER.add(self.keys)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> SecretBox:
        """The keys of this process: of a variable, else of a file, else of the keyring of the system.

        Raises:
            ConfigurationError: There is no key, or its source cannot be read.
        """
        box = cls.find(environment)
        if box is None:
            raise ConfigurationError("There is no key for encrypted settings.", advice=HOW_TO_GET_A_KEY)
        return box

    @classmethod
    def find(cls, environment: Mapping[str, str] = os.environ) -> SecretBox | None:
        """The keys of this process as `from_environment` finds them; None where there is no key.

        Raises:
            ConfigurationError: The source of the key cannot be read.
        """
        found = find_keys(environment)
        return cls(found.keys, found.source) if found else None

    def encrypt(self, clear: str) -> str:
        """The prefix and the encrypted text."""
        return self.prefix + self.fernet.encrypt(clear.encode()).decode()

    def decrypt(self, value: str) -> str:
        """The text in clear.

        Raises:
            ConfigurationError: Another key was used, or the value is cut off or changed.
        """
        from cryptography.fernet import InvalidToken  # noqa: PLC0415 (as in `fernet`)

        token = value.removeprefix(self.prefix).strip()
        fernet = self.fernet
        try:
            return fernet.decrypt(token.encode()).decode()
        except InvalidToken as error:
            if not _is_whole(token):
                raise ConfigurationError(
                    "An encrypted value is cut off or changed.",
                    advice="Copy it again, or make it again with `connector-secrets encrypt`.",
                ) from error
            raise ConfigurationError(
                "An encrypted value cannot be read: it was made with another key.",
                advice=f"Check {self.source} (NEW,OLD while a key changes), or encrypt the value again with "
                "`connector-secrets encrypt`.",
            ) from error

    def rotate(self, value: str) -> str:
        """The same secret encrypted with the first key; a value that is so already stays as it is."""
        clear = self.decrypt(value)
        try:
            replace(self, keys=self.keys[:1]).decrypt(value)
        except ConfigurationError:
            return self.encrypt(clear)
        return value

    @cached_property
    def fernet(self) -> MultiFernet:
        """The cipher with all keys."""
        # It takes 6 MB, which a plugin without an encrypted setting does not need.
        from cryptography.fernet import Fernet, MultiFernet  # noqa: PLC0415 (said above)

        try:
            return MultiFernet([Fernet(key) for key in self.keys])
        except ValueError:
            # The cause is left out: it could show the key.
            raise ConfigurationError(
                f"A key in {self.source} is malformed: it is not 32 bytes in URL-safe Base64.",
                advice=f"Check {self.source}; `connector-secrets keygen` makes a key.",
            ) from None


@dataclass(frozen=True)
class FieldEncryption:
    """Encrypts texts before they are stored, where there is a key; reads those that are in clear as well.

    Attributes:
        box: The keys; None stores in clear.
        prefix: Marks what is encrypted.
        advice: How to get a key, for the message that there is none.
    """

    box: SecretBox | None = None
    prefix: str = PREFIX
    advice: str = HOW_TO_GET_A_KEY

    def encrypt(self, clear: str) -> str:
        """The text as it is stored."""
        return self.box.encrypt(clear) if self.box else clear

    def decrypt(self, stored: str) -> str:
        """The text in clear, also where it was stored before a key was set.

        Raises:
            ConfigurationError: It was stored with a key that is not set here.
        """
        if not stored.startswith(self.prefix):
            return stored
        if self.box is None:
            raise ConfigurationError("A record is stored encrypted, and no key is set.", advice=self.advice)
        return self.box.decrypt(stored)


def _is_whole(token: str) -> bool:
    """Check that a token has the outer form that Fernet gives it, whatever the key."""
    try:
        raw = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
    except binascii.Error:
        return False
    blocks, rest = divmod(len(raw) - _FERNET_FRAME, _BLOCK)
    return raw[:1] == bytes([_FERNET_VERSION]) and blocks > 0 and rest == 0


def is_encrypted(value: object) -> bool:
    """Check whether the value of a setting is encrypted."""
    return isinstance(value, str) and value.startswith(PREFIX)


def is_encrypted_in_part(text: str) -> bool:
    """Check a value with blanks in it, such as a list of addresses, for an encrypted one among others."""
    parts = text.split()
    return len(parts) > 1 and any(map(is_encrypted, parts))


def reveal(settings: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The settings with every `enc:…` value in clear, inside objects and lists too.

    What was encrypted is a secret, whatever its setting is declared as: it is masked from here on.

    Raises:
        ConfigurationError: A value cannot be decrypted; the error names its setting.
    """
    # The key is looked for once, and only if a value needs it: a keyring may ask its owner.
    box = cache(lambda: SecretBox.from_environment(environment))
    return {name: _reveal(value, name, box) for name, value in settings.items()}


def _reveal(value: Any, name: str, box: Callable[[], SecretBox]) -> Any:  # noqa: ANN401 (settings are JSON)
    if isinstance(value, Mapping):
        return {key: _reveal(inner, f"{name}.{key}", box) for key, inner in value.items()}
    if isinstance(value, list):
        return [_reveal(inner, f"{name}.{index}", box) for index, inner in enumerate(value)]
    if not is_encrypted(value):
        return value
    try:
        clear = box().decrypt(value)
    except ConfigurationError as error:
        raise ConfigurationError(f"Setting `{name}`: {error.message}", advice=error.advice) from error
    MASKER.add([clear])
    return clear


def secret_values(value: Any, schema: Mapping[str, Any]) -> Iterator[str]:  # noqa: ANN401 (settings are JSON)
    """The texts in settings that a plugin's schema marks as secret, at any depth.

    A password inside a URL is one whatever the schema says of its setting.
    """
    if schema.get("secret"):
        yield from _texts(value)
        return
    for form in ("anyOf", "oneOf", "allOf"):
        for inner in schema.get(form, ()):
            yield from secret_values(value, inner)
    if isinstance(value, Mapping):
        known, others = schema.get("properties") or {}, schema.get("additionalProperties")
        for name, inner in value.items():
            yield from secret_values(inner, known.get(name) or (others if isinstance(others, dict) else {}))
    elif isinstance(value, list):
        items = schema.get("items")
        for inner in value:
            yield from secret_values(inner, items if isinstance(items, dict) else {})
    elif isinstance(value, str):
        yield from passwords_in_url(value)


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401 (settings are JSON)
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        # The path of a SQLite file is not secret, and a message about it must show it.
        if not is_address_alone(value):
            yield value
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        # A password of digits alone, written without quotes: a message about its type would show it.
        yield str(value)
