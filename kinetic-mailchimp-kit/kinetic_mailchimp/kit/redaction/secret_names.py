"""Tells from a name or a text alone whether it holds a secret, and which part of it is the secret."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit

SECRET_NAME = re.compile(
    r"PASSWORD|PASSWD|PASSPHRASE|SECRET|CREDENTIAL"
    r"|(?:^|_)(?:TOKEN|API_?KEY|ACCESS_KEY|PRIVATE_KEY|SIGNING_KEY|ENCRYPTION_KEY|AUTH_KEY"
    r"|ALERT_URLS)S?(?:_|$)"
)
"""Words in the name of a secret, in capitals, `_` between words."""

TELLS_ABOUT_A_SECRET = re.compile(r"_(?:FILE|PATH|DIR|URL|URI|ID|NAME|TYPE|METHOD|TTL|SECONDS)$")
"""Endings of names that only say where a secret is or what kind it is: TOKEN_URL, CLIENT_SECRET_FILE."""

DATABASES = frozenset({"sqlite", "postgresql", "postgres", "mysql", "mariadb", "mssql", "oracle"})

# As Meltano reads them in meltano.yml and python-dotenv in .env.
REFERENCE = re.compile(r"\$(?:\{(?P<braced>[^}:]*)(?::-(?P<default>[^}]*))?\}|(?P<bare>[A-Z][A-Z0-9_]*))")

# A password may hold "/", which is not allowed in a URL; the drivers take it all the same.
_LOGIN = re.compile(r"[A-Za-z][\w.+-]*://[^:/@\s]*:(?P<password>[^@]*)@")


def named_as_secret(name: str) -> bool:
    """Judge by the name alone whether a variable or a setting holds a secret."""
    words = re.sub(r"\W", "_", name).upper()
    return bool(SECRET_NAME.search(words)) and not TELLS_ABOUT_A_SECRET.search(words)


def passwords_in_url(text: str) -> list[str]:
    """The passwords of `scheme://user:password@host/…?password=…`, as written and decoded."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return []
    if "://" not in text:
        return []
    login = _LOGIN.match(text)
    written = [
        parts.password,
        login and login["password"],
        *(value for name, value in parse_qsl(parts.query) if named_as_secret(name)),
    ]
    return list(
        dict.fromkeys(form for password in written if password for form in (password, unquote(password)))
    )


def references(text: str) -> list[str]:
    """The variables that a text refers to, as `$NAME` or `${NAME}`, in their order."""
    return [match["braced"] or match["bare"] or "" for match in REFERENCE.finditer(text)]


def is_in_clear(text: str) -> bool:
    """Check whether a secret can be read in the value of a secret setting, as it stands in a file.

    It cannot where the value is empty, a reference, or the address of a database without a password.
    """
    written = _without_references(text).strip()
    return bool(written) and not is_address_alone(written)


def is_address_alone(text: str) -> bool:
    """Check that a text is the URL of a database without a password in it."""
    scheme, separator, _ = text.partition("://")
    return bool(separator) and scheme.split("+")[0].lower() in DATABASES and not passwords_in_url(text)


def has_login(text: str) -> bool:
    """Check whether a text is a URL with a password in it that is not a reference."""
    return bool(passwords_in_url(_without_references(text)))


def _without_references(text: str) -> str:
    """The text that is not a reference: of `${NAME:-default}` the default."""
    return REFERENCE.sub(lambda match: match["default"] or "", text)
