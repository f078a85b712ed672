"""twistd finds the daemons without loading them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
PLUGINS = ROOT / "twisted" / "plugins"


def test_declarations_import_nothing_of_ours() -> None:
    """`twistd --help` stays quick: it loads none of godos."""
    script = (
        "import sys\n"
        "from twisted.plugins import godos_api, godos_data, godos_embedded\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'godos'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_no_package() -> None:
    """The folder adds to Twisted's own plugins, so it must not be a package."""
    assert list(PLUGINS.glob("godos_*.py"))
    assert not list(PLUGINS.glob("__init__.py"))
    assert not list(PLUGINS.parent.glob("__init__.py"))
