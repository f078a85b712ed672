"""The configuration file: TOML, whose keys are the names of the options."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from godos.service.settings import SettingError


def read_config(path: Path) -> dict[str, Any]:
    """
    Read the file.

    Raises:
        SettingError: it cannot be read, or is no TOML; the message says where.
    """
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise SettingError(f"--config: cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"--config: {path} is no TOML: {error}") from error
