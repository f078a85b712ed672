"""What all daemons' Options share: sources and their order, the ancestor's spelling, refusals."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from twisted.python import usage

from godos import __version__
from godos.service.background import name_files
from godos.service.binding import chosen_port
from godos.service.config import read_config
from godos.service.settings import Chosen, Setting, SettingError, resolve
from godos.service.values import anchored, path

CONFIG = Setting(
    "config",
    "Read settings from this TOML file. Its keys are the long names of these options; options "
    "and environment variables beat it.",
    path,
)


class DaemonOptions(usage.Options):
    """
    The options of one daemon, from its table `settings`.

    After `parseOptions` the mapping holds the parsed value of every setting by its name,
    and `chosen` also says where each came from.  Relative paths count from the folder that
    twistd changes to.  Whatever is wrong is one line on standard error and exit code 1.
    """

    daemon: ClassVar[str] = ""  # its name after `twistd`
    settings: ClassVar[tuple[Setting, ...]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for setting in (*cls.settings, CONFIG):
            setattr(cls, "opt_" + setting.name.replace("-", "_"), _option(setting))

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        super().__init__()
        self._environ = environ
        self.given: dict[str, list[str]] = {}
        self.chosen: dict[str, Chosen] = {}
        self.parsed: Any = None  # the daemon's record of settings, from `record`
        self.background: tuple[str, str] | None = None  # log and pid file, in the background

    def getSynopsis(self) -> str:
        return f"Usage: twistd [options of twistd] {self.daemon} [options]"

    def opt_version(self) -> NoReturn:
        """Print the version of godos and exit."""
        print(f"godos {__version__}")
        raise SystemExit(0)

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """
        Parse, choose and check.

        Raises:
            SystemExit: 1 after a refusal; 0 after `--help` and `--version`.
        """
        words = double_dashed(options or (), (*self.settings, CONFIG))
        try:
            super().parseOptions(words)
        except (usage.UsageError, SettingError) as error:
            # twistd would print the whole usage to standard output
            print(f"{self.daemon}: {error}", file=sys.stderr)
            raise SystemExit(1) from error

    def parseArgs(self, *words: str) -> None:
        if words:
            raise usage.UsageError(f"{words[0]!r} is no option; see twistd {self.daemon} --help")

    def postOptions(self) -> None:
        folder = Path(self.parent["rundir"] if self.parent else ".").absolute()
        config = resolve([CONFIG], self.given, self._environ, {})["config"].value
        file = read_config(folder / config) if config is not None else {}
        self.chosen = resolve(self.settings, self.given, self._environ, file, str(config))
        for name, chosen in self.chosen.items():
            self[name] = anchored(chosen.value, folder)
        self.parsed = self.record()
        name = f"{self.daemon}-{chosen_port(self.chosen)}"
        self.background = name_files(self.parent, name)

    def record(self) -> Any:
        """
        The settings as the daemon's own record.

        Raises:
            SettingError: they do not go together.
        """
        raise NotImplementedError


def double_dashed(words: Sequence[str], settings: Sequence[Setting]) -> list[str]:
    """
    The ancestor's `-storage DIR` and `-storage=DIR` as `--storage …`.

    A word that is another option's value stays as it is, and so does all after `--`.
    """
    names = {setting.name: setting.flag for setting in settings}
    result: list[str] = []
    rest = iter(words)
    for word in rest:
        name = word.lstrip("-").partition("=")[0]
        dashes = len(word) - len(word.lstrip("-"))
        known = dashes in (1, 2) and name in names
        result.append("-" + word if known and dashes == 1 else word)
        if word == "--":
            result.extend(rest)
        elif known and not names[name] and "=" not in word:
            result.extend(value for value in [next(rest, None)] if value is not None)
    return result


def _option(setting: Setting) -> Callable[..., None]:
    """The method that twisted.python.usage calls when the option is on the command line."""

    def take(self: Any, text: str) -> None:
        self.given.setdefault(setting.name, []).append(text)

    def raised(self: Any) -> None:
        self.given[setting.name] = ["1"]

    method = raised if setting.flag else take
    method.__doc__ = setting.help.replace("%", "%%")
    return method
