"""The command lines of the three daemons."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from twisted.scripts.twistd import ServerOptions

from godos.messaging.addresses import SqsAddress
from godos.service import api, data, embedded
from godos.service.binding import EVERYWHERE, Binding
from godos.service.common import STOP_TIMEOUT, TLS_CERT
from godos.service.options import CONFIG, DaemonOptions, double_dashed
from godos.service.settings import Setting

ROOT = Path(__file__).parents[3]
DAEMONS = (api.Options, data.Options, embedded.Options)


def parsed(kind: type[DaemonOptions], *words: str, **environ: str) -> Any:
    """The record of settings that a command line leads to."""
    options = kind(environ)
    options.parseOptions(words)
    return options.parsed


def refusal(
    capsys: pytest.CaptureFixture[str], kind: type[DaemonOptions], *words: str, **environ: str
) -> str:
    """The one line that a wrong command line leads to."""
    with pytest.raises(SystemExit) as caught:
        kind(environ).parseOptions(words)
    assert caught.value.code == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_defaults_of_embedded() -> None:
    """`twistd godos` serves this machine on 8030 and stores in ./godos-data."""
    settings = parsed(embedded.Options)
    assert settings.binding == Binding("127.0.0.1", 8030)
    assert settings.storage == (Path.cwd() / "godos-data",)
    assert settings.policy is None
    assert settings.stop_timeout == 10


def test_defaults_of_the_cluster() -> None:
    """API servers serve this machine on 8030, data servers everybody on 8031 from /data."""
    assert parsed(api.Options).binding == Binding("127.0.0.1", 8030)
    settings = parsed(data.Options)
    assert settings.binding == Binding(EVERYWHERE, 8031)
    assert settings.storage == (Path("/data"),)
    assert settings.zone == ""


def test_ancestor() -> None:
    """The ancestor's single dashes, with a space or `=`, do what they did."""
    settings = parsed(api.Options, "-address=:9000", "-dps", "10.0.0.1:8031,10.0.0.2:8031")
    assert settings.binding == Binding("127.0.0.1", 9000)
    assert settings.dps == ("10.0.0.1:8031", "10.0.0.2:8031")
    assert parsed(data.Options, "-storage", "/a").storage == (Path("/a"),)
    assert parsed(data.Options, "-address", ":9001").binding == Binding(EVERYWHERE, 9001)


def test_queue() -> None:
    """The ancestor's queues by their name."""
    assert parsed(api.Options, "--queue", "sqs:godos-test").queue == SqsAddress("godos-test")


def test_several_folders() -> None:
    """Each --storage is a node; the same folder twice is refused."""
    settings = parsed(data.Options, "--storage", "/a", "--storage=/b")
    assert settings.storage == (Path("/a"), Path("/b"))


def test_config_file(tmp_path: Path) -> None:
    """A file fills what neither an option nor a variable says."""
    file = tmp_path / "godos.toml"
    file.write_text('port = 9000\nstorage = ["/a", "/b"]\nzone = "z"\nstop-timeout = 2.5\n')
    settings = parsed(data.Options, "--config", str(file), "--port", "9001", GODOS_ZONE="y")
    assert settings.binding.port == 9001
    assert settings.zone == "y"
    assert settings.storage == (Path("/a"), Path("/b"))
    assert settings.stop_timeout == 2.5
    assert parsed(data.Options, GODOS_CONFIG=str(file)).binding.port == 9000


def test_relative_paths_count_from_rundir(tmp_path: Path) -> None:
    """`twistd -d DIR` decides where a relative folder is."""
    twistd = ServerOptions()
    twistd["rundir"] = str(tmp_path)
    options = data.Options({})
    options.parent = twistd
    options.parseOptions(["--storage", "x", "--state", "sqlite:s"])
    assert options.parsed.storage == (tmp_path / "x",)
    assert options.parsed.state.path == tmp_path / "s"


@pytest.mark.parametrize(
    ("kind", "words", "line"),
    [
        (embedded.Options, ["--port", "x"], "godos: --port: 'x' is no port"),
        (embedded.Options, ["--prot", "1"], "godos: option --prot not recognized"),
        (embedded.Options, ["extra"], "godos: 'extra' is no option"),
        (embedded.Options, ["--port"], "godos: option --port requires argument"),
        (embedded.Options, ["--state", "sqlite:x"], "godos: option --state not recognized"),
        (embedded.Options, ["--config", "/nowhere.toml"], "godos: --config: cannot read /nowhere"),
        (embedded.Options, ["--tls-cert", "c.pem"], "godos: --tls-key is missing"),
        (api.Options, ["-dps", "host"], "godos-api: --dps: 'host' is no address"),
        (api.Options, ["--port=1", "--address=:2"], "godos-api: --address: port 2 contradicts"),
        (data.Options, ["--storage=/a", "--storage=/a/"], "godos-data: --storage: /a is named"),
        (data.Options, ["--policy", "auto"], "godos-data: option --policy not recognized"),
    ],
)
def test_wrong(
    capsys: pytest.CaptureFixture[str], kind: type[DaemonOptions], words: list[str], line: str
) -> None:
    """A wrong option is one line on standard error and exit code 1."""
    assert refusal(capsys, kind, *words).startswith(line)


def test_wrong_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A file that is no TOML is told with the place."""
    file = tmp_path / "godos.toml"
    file.write_text("port = \n")
    assert "is no TOML: Invalid value (at line 1" in refusal(
        capsys, data.Options, "--config", str(file)
    )


def test_wrong_variable(capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong variable is told by its name."""
    line = refusal(capsys, api.Options, GODOS_STATE="x")
    assert line.startswith("godos-api: GODOS_STATE: 'x' is no state")


@pytest.mark.parametrize("kind", DAEMONS)
def test_help(kind: type[DaemonOptions]) -> None:
    """Every option is explained in a sentence, with its default and its variable."""
    text = " ".join(str(kind({})).split())
    for setting in (*kind.settings, CONFIG):
        assert f"--{setting.name}" in text
        assert setting.meaning.endswith(".")
        assert f"environment: {setting.environment}]" in text.replace("- ", "-")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-storage", "a"], ["--storage", "a"]),
        (["-storage=a"], ["--storage=a"]),
        (["--storage", "-address"], ["--storage", "-address"]),
        (["-storage", "-storage"], ["--storage", "-storage"]),
        (["--", "-storage"], ["--", "-storage"]),
        (["-x", "-s", "a"], ["-x", "-s", "a"]),
        (["-open", "-storage", "a"], ["--open", "--storage", "a"]),
        (["-storage"], ["--storage"]),
    ],
)
def test_double_dashed(words: list[str], expected: list[str]) -> None:
    """Only options become double-dashed, never their values."""
    settings = (Setting("storage", ""), Setting("address", ""), Setting("open", "", flag=True))
    assert double_dashed(words, settings) == expected


def twistd(*words: str) -> ServerOptions:
    """twistd's own options, parsed with ours behind them."""
    options = ServerOptions()
    options.parseOptions(words)
    return options


def test_files_of_the_background() -> None:
    """In the background pid file and log have the port in their names."""
    options = twistd("godos", "--port", "8050")
    assert options["pidfile"] == str(Path.cwd() / "godos-8050.pid")
    assert options["logfile"] == "godos-8050.log"


def test_no_pid_file_in_the_foreground() -> None:
    """Two daemons in the foreground of one folder leave no file to clash on."""
    assert twistd("-n", "godos")["pidfile"] == ""
    assert not twistd("-n", "godos")["logfile"]


def test_named_files_stay() -> None:
    """A pid file that somebody named stays, also under twistd's own name for it."""
    name = "".join(["twistd", ".pid"])  # as from a command line: another object
    assert twistd("-n", "--pidfile", name, "godos")["pidfile"] == str(Path.cwd() / name)
    options = twistd("--pidfile=/x.pid", "--logfile=/x.log", "godos")
    assert (options["pidfile"], options["logfile"]) == ("/x.pid", "/x.log")


def test_tables_are_shared() -> None:
    """What has one name means the same for every daemon that has it."""
    assert all(STOP_TIMEOUT in kind.settings for kind in DAEMONS)
    assert TLS_CERT not in data.Options.settings


@pytest.mark.parametrize("kind", DAEMONS)
def test_example_files(kind: type[DaemonOptions]) -> None:
    """The example of each daemon is read as it is, and what it leaves commented out exists."""
    file = ROOT / "etc" / f"{kind.daemon}.toml"
    parsed(kind, "--config", str(file))
    known = {setting.name for setting in kind.settings}
    offered = re.findall(r"^# ([a-z-]+) = ", file.read_text(), re.MULTILINE)
    assert offered
    assert set(offered) <= known


def test_documented() -> None:
    """The page on configuration has every option."""
    page = (ROOT / "docs" / "configuration.rst").read_text()
    for kind in DAEMONS:
        for setting in (*kind.settings, CONFIG):
            assert f"``--{setting.name}" in page
