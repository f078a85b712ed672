"""
Run ceph/s3-tests against a fresh server, and write docs/s3-compatibility.rst of it.

    python -m bench.s3_suite --suite DIR --python DIR/venv/bin/python

The suite stays outside of this repository, and so does the Python it runs with (its
requirements.txt and pytest-timeout).  Fails unless every failure has a reason in
docs/s3-compatibility.toml, and every reason a failure; the page is written only then.
"""

from __future__ import annotations

import argparse
import base64
import os
import shutil
import subprocess
import sys
import tempfile
from configparser import RawConfigParser
from pathlib import Path
from urllib.parse import urlsplit

from attrs import frozen

from bench.s3_report import Results, Suite, faults, page, read_reasons, read_results
from bench.servers import embedded

ROOT = Path(__file__).parents[1]
USERS = ROOT / "tests" / "s3tests-credentials.toml"
REASONS = ROOT / "docs" / "s3-compatibility.toml"
PAGE = ROOT / "docs" / "s3-compatibility.rst"
FILES = ("test_s3.py", "test_headers.py")
KEYS = ("testkey-1", "testkey-2")  # of the key service, as the suite names them
DAY = 2  # seconds that lifecycle rules take for a day
PATIENCE = 100  # seconds for one test


@frozen
class Clone:
    """A clone of the suite, and what runs it."""

    place: Path
    python: Path

    def check(self) -> None:
        """Raises SystemExit: it cannot be run."""
        if not (self.place / "s3tests" / "functional" / FILES[0]).is_file():
            raise SystemExit(f"{self.place} is no clone of ceph/s3-tests")
        modules = "import pytest, pytest_timeout, boto3"
        if subprocess.run([self.python, "-c", modules], check=False).returncode:
            raise SystemExit(f"{self.python} needs the suite's requirements and pytest-timeout")

    def described(self) -> Suite:
        """Which suite this is."""
        commit = ["git", "-C", str(self.place), "rev-parse", "HEAD"]
        version = [str(self.python), "-c", "import botocore; print(botocore.__version__)"]
        return Suite(
            subprocess.check_output(commit, text=True).strip(),
            subprocess.check_output(version, text=True).strip(),
        )

    def configuration(self, base: str) -> RawConfigParser:
        """The suite's sample, for the server at `base`."""
        config = RawConfigParser()
        config.read(self.place / "s3tests.conf.SAMPLE")
        address = urlsplit(base)
        config["DEFAULT"]["host"] = address.hostname or ""
        config["DEFAULT"]["port"] = str(address.port)
        config["s3 main"]["kms_keyid"] = KEYS[0]
        config["s3 main"]["lc_debug_interval"] = str(DAY)
        return config

    def run(self, configuration: Path, results: Path, chosen: str | None) -> None:
        """Run the tests that AWS is said to pass; which failed is in `results`."""
        files = [f"s3tests/functional/{name}" for name in FILES]
        command = [str(self.python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short"]
        command += ["--timeout", str(PATIENCE), "-m", "not fails_on_aws"]
        command += [f"--junitxml={results}", *(["-k", chosen] if chosen else []), *files]
        environment = {**os.environ, "S3TEST_CONF": str(configuration)}
        subprocess.run(command, cwd=self.place, env=environment, check=False)
        if not results.is_file():
            raise SystemExit("the suite ended without results")


def random_key() -> str:
    """32 bytes as files of keys hold them."""
    return base64.b64encode(os.urandom(32)).decode()


def secret_file(path: Path, text: str) -> str:
    """Write a file that only we can read; answers its name."""
    path.touch(mode=0o600)
    path.write_text(text)
    return str(path)


def options_for(place: Path) -> list[str]:
    """The options of a server as the suite wants it; its files go to `place`."""
    named = "".join(f'"{name}" = "{random_key()}"\n' for name in KEYS)
    return [
        *("--credentials", secret_file(place / "users.toml", USERS.read_text())),
        *("--master-key", secret_file(place / "master.key", random_key() + "\n")),
        *(
            "--kms-keys",
            secret_file(place / "kms.toml", f'default = "{KEYS[0]}"\n[keys]\n{named}'),
        ),
        *("--region", "default", "--lifecycle-day", str(DAY)),
    ]


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--suite", type=Path, required=True, help="a clone of ceph/s3-tests")
    parser.add_argument("--python", type=Path, required=True, help="the Python that runs it")
    parser.add_argument("--only", help="run the tests that match (pytest -k); write no page")
    parser.add_argument("--results", type=Path, help="keep the results, as JUnit XML, here")
    parser.add_argument("--from", dest="kept", type=Path, help="run nothing, take kept results")
    parser.add_argument("--dir", type=Path, default=Path("bench-data"), help="where data goes")
    return parser.parse_args()


def tested(clone: Clone, place: Path, chosen: str | None) -> Path:
    """Start a server and run the suite against it; answers the file of results."""
    results = place / "results.xml"
    with embedded(place / "server", *options_for(place)) as server:
        configuration = Path(secret_file(place / "suite.conf", ""))
        with configuration.open("w") as file:
            clone.configuration(server.base).write(file)
        clone.run(configuration, results, chosen)
    return results


def tested_somewhere(clone: Clone, options: argparse.Namespace) -> Results:
    """Run the suite with its data in a folder that is removed afterwards."""
    options.dir.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(dir=options.dir.resolve()))
    try:
        file = tested(clone, place, options.only)
        if options.results:
            shutil.copyfile(file, options.results)
        return read_results(file)
    finally:
        shutil.rmtree(place)


def main() -> int:
    """Run, compare with the reasons, write the page; exit code 1 when they do not agree."""
    options = arguments()
    # not resolved: a virtual environment's python is a link, and is known by its place
    clone = Clone(options.suite.resolve(), options.python.absolute())
    clone.check()
    reasons = read_reasons(REASONS)
    results = read_results(options.kept) if options.kept else tested_somewhere(clone, options)
    if options.only:
        print("some of the suite was run: no page is written")
        return 0
    found = faults(results, reasons)
    if found:
        print("\n".join(found))
        return 1
    PAGE.write_text(page(clone.described(), results, reasons))
    print(f"{PAGE} is written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
