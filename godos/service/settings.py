"""Settings: a table of what can be configured, filled by option, environment, file and default."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Any

from attrs import frozen

from godos.service.values import yes_or_no


class SettingError(Exception):
    """A wrong option, variable or key; `str()` is the one line that a person reads."""


class Source(IntEnum):
    """Where a value came from; a greater one beats a lesser."""

    DEFAULT = 0
    FILE = 1
    ENVIRONMENT = 2
    OPTION = 3


@frozen
class Setting:
    """
    One thing that can be configured.

    `stop-timeout` is the option `--stop-timeout`, the variable `GODOS_STOP_TIMEOUT` and
    the key `stop-timeout` of the file.  `parse` reads one text and raises ValueError with
    what is wrong.  A repeatable setting is a tuple; its variable separates with `:`, its
    key is a list.  A flag is a bool.  `default` None leaves it None (or empty, or False).
    """

    name: str
    meaning: str
    parse: Callable[[str], Any] = str
    default: str | None = None
    shown: str = ""  # what `--help` says of the default, when not its text
    repeatable: bool = False
    flag: bool = False

    @property
    def environment(self) -> str:
        """The name of its variable."""
        return "GODOS_" + self.name.upper().replace("-", "_")

    @property
    def help(self) -> str:
        """What `--help` says."""
        default = self.shown or self.default or ("no" if self.flag else "none")
        often = " May be given several times." if self.repeatable else ""
        return f"{self.meaning}{often} [default: {default}; environment: {self.environment}]"

    @property
    def empty(self) -> Any:
        """The value when nothing at all says one."""
        return () if self.repeatable else False if self.flag else None

    def read(self, texts: Sequence[str]) -> Any:
        """
        The value of these texts; of a setting that is not repeatable the last counts.

        Raises:
            ValueError: what is wrong with one of them.
        """
        if self.repeatable:
            return tuple(self.parse(text) for text in texts)
        return yes_or_no(texts[-1]) if self.flag else self.parse(texts[-1])


@frozen
class Chosen:
    """A setting's value, and where it was said: `--port`, `GODOS_PORT`, …"""

    value: Any
    source: Source
    origin: str


def resolve(
    settings: Sequence[Setting],
    given: Mapping[str, Sequence[str]],
    environ: Mapping[str, str],
    file: Mapping[str, Any],
    file_name: str = "",
) -> dict[str, Chosen]:
    """
    Choose each setting's value: option beats environment beats file beats default.

    Args:
        given: texts of the options on the command line, by name, in order.
        environ: all variables; an empty one counts as not set.
        file: the keys of the TOML file.

    Raises:
        SettingError: a value is wrong, or the file has a key that is no setting.
    """
    _refuse_unknown(settings, file, file_name)
    return {setting.name: _choose(setting, given, environ, file, file_name) for setting in settings}


def _choose(
    setting: Setting,
    given: Mapping[str, Sequence[str]],
    environ: Mapping[str, str],
    file: Mapping[str, Any],
    file_name: str,
) -> Chosen:
    source, origin = Source.DEFAULT, "default"
    texts = [] if setting.default is None else [setting.default]
    try:
        if given.get(setting.name):
            source, origin = Source.OPTION, f"--{setting.name}"
            texts = list(given[setting.name])
        elif environ.get(setting.environment):
            source, origin = Source.ENVIRONMENT, setting.environment
            texts = _split(setting, environ[setting.environment])
        elif setting.name in file:
            source, origin = Source.FILE, f"{setting.name} in {file_name}"
            texts = _texts(setting, file[setting.name])
        return Chosen(setting.read(texts) if texts else setting.empty, source, origin)
    except ValueError as error:
        raise SettingError(f"{origin}: {error}") from error


def _split(setting: Setting, text: str) -> list[str]:
    return [one for one in text.split(os.pathsep) if one] if setting.repeatable else [text]


def _texts(setting: Setting, raw: object) -> list[str]:
    """A TOML value as the texts that an option would have had."""
    if isinstance(raw, bool):
        if setting.flag:
            return ["1" if raw else "0"]
        raise ValueError("true and false are no value for it")
    if isinstance(raw, list) and setting.repeatable:
        return [text for one in raw for text in _texts(setting, one)]
    if setting.flag or not isinstance(raw, str | int | float):
        raise ValueError("it takes " + ("true or false" if setting.flag else "a text or a number"))
    return [str(raw)]


def _refuse_unknown(settings: Sequence[Setting], file: Mapping[str, Any], file_name: str) -> None:
    names = [setting.name for setting in settings]
    for key in file:
        if key not in names:
            close = difflib.get_close_matches(key, names, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(names)}"
            raise SettingError(f"{file_name}: {key!r} is no setting of this daemon; {hint}")
