"""Sphinx configuration."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from godos import __version__

project = "godos"
author = "the godos maintainers"
release = version = __version__
extensions: list[str] = []
exclude_patterns = ["_build"]
html_theme = "alabaster"
html_theme_options = {"description": "An object store whose 200 means durable"}
nitpicky = True
