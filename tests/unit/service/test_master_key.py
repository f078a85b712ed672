"""The files with the server's own encryption keys."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from godos.objects.keys import KeyRing
from godos.service.master_key import read_kms_keys, read_master_key
from godos.service.settings import SettingError

FIRST, SECOND = bytes(range(32)), bytes(range(32, 64))
ONE, TWO = b64encode(FIRST).decode(), b64encode(SECOND).decode()


def test_the_current_key_is_first(tmp_path: Path) -> None:
    """Comments and blank lines are for people; keys that were replaced follow."""
    file = tmp_path / "keys"
    file.write_text(f"# since May\n{ONE}\n\n  {TWO}  \n")
    assert read_master_key(file) == KeyRing((FIRST, SECOND))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no key"),
        ("# nothing yet\n", "holds no key"),
        ("correct horse battery staple", "line 1"),
        (f"{ONE}\n{ONE[:20]}", "line 2"),
        (f"{ONE}\n{ONE}", "twice"),
        (b64encode(bytes(32)).decode(), "same byte"),
    ],
)
def test_what_is_no_key(tmp_path: Path, text: str, says: str) -> None:
    """One line says where and what a key is, and shows nothing of what is there."""
    file = tmp_path / "keys"
    file.write_text(text)
    with pytest.raises(SettingError, match=says) as refused:
        read_master_key(file)
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith("--master-key: ")
    assert ONE not in str(refused.value)
    assert "horse" not in str(refused.value)


@pytest.mark.parametrize("read", [read_master_key, read_kms_keys])
def test_files_that_cannot_be_read(tmp_path: Path, read: object) -> None:
    """A missing file, and one that is no text."""
    with pytest.raises(SettingError, match="cannot read"):
        read(tmp_path / "missing")  # type: ignore[operator]
    (tmp_path / "raw").write_bytes(b"\xff" * 32)
    with pytest.raises(SettingError, match="is no text"):
        read(tmp_path / "raw")  # type: ignore[operator]


def test_named_keys(tmp_path: Path) -> None:
    """Each name has a key, or a list of the current one and those it replaced."""
    file = tmp_path / "kms.toml"
    file.write_text(f'default = "b"\n[keys]\na = "{ONE}"\nb = ["{TWO}", "{ONE}"]\n')
    named = read_kms_keys(file)
    assert named.default == "b"
    assert named.rings == {"a": KeyRing((FIRST,)), "b": KeyRing((SECOND, FIRST))}


def test_a_single_named_key_is_the_default(tmp_path: Path) -> None:
    """There is no other that could be meant."""
    file = tmp_path / "kms.toml"
    file.write_text(f'[keys]\nonly = "{ONE}"\n')
    assert read_kms_keys(file).default == "only"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no table"),
        ("[keys]\n", "no table"),
        ("keys = 1", "no table"),
        ("[keys", "is no TOML"),
        (f'[keys]\na = "{ONE}"\nb = "{TWO}"\n', "which key is the default"),
        (f'default = "c"\n[keys]\na = "{ONE}"\n', "which key is the default"),
        ("[keys]\na = 1\n", "'a' is no key"),
        ('[keys]\na = "secret-like"\n', "'a' is no key"),
        ("[keys]\na = []\n", "'a' holds no key"),
        (f'defualt = "a"\n[keys]\na = "{ONE}"\n', "'defualt'"),
    ],
)
def test_what_are_no_named_keys(tmp_path: Path, text: str, says: str) -> None:
    """One line says what is wrong, without showing it."""
    file = tmp_path / "kms.toml"
    file.write_text(text)
    with pytest.raises(SettingError, match=says) as refused:
        read_kms_keys(file)
    assert "secret-like" not in str(refused.value)
    assert "\n" not in str(refused.value)
