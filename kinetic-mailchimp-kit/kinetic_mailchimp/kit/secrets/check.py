"""Finds the secrets that still stand in clear in .env and meltano.yml."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kinetic_mailchimp.kit.project import family_of, own_variable
from kinetic_mailchimp.kit.redaction.secret_names import has_login, is_in_clear, named_as_secret, references
from kinetic_mailchimp.kit.secrets.encryption import is_encrypted, is_encrypted_in_part
from kinetic_mailchimp.kit.secrets.files import SettingsFile, Value
from kinetic_mailchimp.kit.secrets.keys import KEY_VARIABLE

CLEAR, ENCRYPTED, ELSEWHERE, UNSET = "in clear", "encrypted", "without a secret in them", "not set"


@dataclass(frozen=True)
class FoundSecret:
    """A secret and how it stands in a file.

    Attributes:
        reason: Why it is taken for a secret.
        state: CLEAR, ENCRYPTED, ELSEWHERE (a reference, or a URL without a password) or UNSET.
    """

    place: str
    reason: str
    state: str


@dataclass(frozen=True)
class Declarations:
    """Settings that the files declare as secret.

    Attributes:
        secret: Whether a setting is, by plugin and setting; only those that say so.
        parents: From which plugin a plugin inherits.
    """

    secret: Mapping[tuple[str, str], bool]
    parents: Mapping[str, str]

    @classmethod
    def of(cls, values: Iterable[Value]) -> Declarations:
        """Gather them from the values of every meltano.yml."""
        secret: dict[tuple[str, str], bool] = {}
        parents: dict[str, str] = {}
        for value in values:
            plugin, rest = _in_plugin(value.path)
            if rest == ("inherit_from",):
                parents[plugin] = value.text
            elif setting := _declared_setting(rest, "sensitive"):
                secret[plugin, setting] = value.text.lower() == "true"
            elif value.text == "password" and (setting := _declared_setting(rest, "kind")):
                secret.setdefault((plugin, setting), True)
        return cls(secret, parents)

    def settings(self) -> Iterator[tuple[str, str]]:
        """Each plugin with each setting that it, or one that it inherits from, declares."""
        for plugin in sorted({plugin for plugin, _ in self.secret} | set(self.parents)):
            family = family_of(plugin, self.parents.get)
            yield from ((plugin, setting) for owner, setting in self.secret if owner in family)

    def is_secret(self, plugin: str, setting: str) -> bool:
        """Check whether a setting, or its object, is secret: as declared, else by its name."""
        parts = setting.split(".")
        for length in range(len(parts), 0, -1):
            for owner in family_of(plugin, self.parents.get):
                declared = self.secret.get((owner, ".".join(parts[:length])))
                if declared is not None:
                    return declared
        return named_as_secret(parts[-1])


def secret_variables(values: Sequence[Value], declarations: Declarations) -> dict[str, str]:
    """The variables that hold the value of a secret setting, each with the setting that it is for.

    They are those that its configuration refers to, its `env`, and the one that Meltano and the Singer SDK
    look at by themselves.
    """
    uses = [
        *_references_in_settings(values),
        *((own_variable(*target), target) for target in declarations.settings()),
    ]
    found: dict[str, str] = {}
    for variable, (plugin, setting) in uses:
        if declarations.is_secret(plugin, setting):
            found.setdefault(variable, f"setting `{setting}` of {plugin}")
    return found


def _references_in_settings(values: Iterable[Value]) -> Iterator[tuple[str, tuple[str, str]]]:
    for value in values:
        if target := _setting(value.path):
            yield from ((variable, target) for variable in references(value.text))
        plugin, rest = _in_plugin(value.path)
        if setting := _declared_setting(rest, "env"):
            yield value.text, (plugin, setting)


def find_secrets(files: Sequence[SettingsFile]) -> Iterator[FoundSecret]:
    """Every secret of the files, in their order, with its state."""
    settings = [value for file in files if file.is_yaml for value in file.values]
    declarations = Declarations.of(settings)
    variables = secret_variables(settings, declarations)
    for file in files:
        for value in file.values:
            reason = _yaml_reason(value, declarations) if file.is_yaml else _env_reason(value, variables)
            if reason:
                yield FoundSecret(file.place(value), reason, _state(value.text))


def count_states(findings: Iterable[FoundSecret]) -> str:
    """Numbers of secrets by state, for a summary; an empty text without any secret."""
    counts = Counter(finding.state for finding in findings)
    return ", ".join(
        f"{counts[state]} {state}" for state in (CLEAR, ENCRYPTED, ELSEWHERE, UNSET) if counts[state]
    )


def _state(text: str) -> str:
    if is_encrypted(text):
        return CLEAR if is_encrypted_in_part(text) else ENCRYPTED
    if not text.strip():
        return UNSET
    return CLEAR if is_in_clear(text) else ELSEWHERE


def _env_reason(value: Value, variables: Mapping[str, str]) -> str:
    (name,) = value.path
    if name == KEY_VARIABLE:
        return "the key itself, beside what it locks"
    return variables.get(name) or _reason_of(name, value.text)


def _yaml_reason(value: Value, declarations: Declarations) -> str:
    target = _setting(value.path)
    if target and declarations.is_secret(*target):
        return f"setting `{target[1]}` of {target[0]}"
    named = not target and not _names_nothing(value.path)
    return _reason_of(value.path[-1] if named and value.path else "", value.text)


def _names_nothing(path: tuple[str, ...]) -> bool:
    """Check whether a key there cannot name a secret: columns of a mapping, declarations of settings."""
    _, rest = _in_plugin(path)
    return "stream_maps" in path or rest[:1] == ("settings",)


def _reason_of(name: str, text: str) -> str:
    if named_as_secret(name):
        return "by its name"
    return "a login in a URL" if has_login(text) else ""


def _in_plugin(path: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The plugin that a value belongs to, and the way from there: `plugins`, its type, its name, the rest."""
    if "plugins" not in path:
        return "", ()
    position = len(path) - 1 - path[::-1].index("plugins")
    plugin = path[position + 2 : position + 3]
    return (plugin[0], path[position + 3 :]) if plugin else ("", ())


def _setting(path: tuple[str, ...]) -> tuple[str, str] | None:
    """The plugin and the setting that a value sets, as configuration or as default."""
    plugin, rest = _in_plugin(path)
    if "stream_maps" in rest:
        return None
    if rest[:1] == ("config",) and len(rest) > 1:
        return plugin, ".".join(rest[1:])
    if setting := _declared_setting(rest, "value"):
        return plugin, setting
    return None


def _declared_setting(rest: tuple[str, ...], key: str) -> str:
    """The setting whose declaration has this key here; an empty text anywhere else."""
    return ".".join(rest[1:-1]) if rest[:1] == ("settings",) and rest[-1] == key else ""
