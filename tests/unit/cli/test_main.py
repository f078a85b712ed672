"""The godos command as a person meets it."""

from __future__ import annotations

import subprocess
import sys

from click.testing import CliRunner

from godos import __version__
from godos.cli import COMMANDS, main
from tests.integration.daemons import environment


def test_version() -> None:
    """`godos --version` says which."""
    assert CliRunner().invoke(main, ["--version"]).output == f"godos, version {__version__}\n"


def test_unknown_command() -> None:
    """A command that does not exist is told in a line, with exit code 2."""
    result = CliRunner().invoke(main, ["sate"])
    assert result.exit_code == 2
    assert "No such command 'sate'" in result.output


def test_commands_are_loaded_when_called() -> None:
    """Asking for the version loads none of the commands."""
    script = (
        "import sys\n"
        "from godos.cli import main\n"
        "main(['--version'], standalone_mode=False)\n"
        f"print([name for name in {sorted(COMMANDS.values())} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_wrong_values() -> None:
    """What a daemon would refuse is refused with the same words."""
    result = CliRunner().invoke(main, ["state", "init", "--state", "x"])
    assert result.exit_code == 2
    assert "'x' is no state: sqlite:PATH or dynamodb:TABLE" in result.output
