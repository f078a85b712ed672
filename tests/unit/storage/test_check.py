"""Checking whole storage directories, sound and damaged in every way."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Sequence
from pathlib import Path
from random import Random

import apsw
import pytest
from attrs import define, field

from godos.model.errors import CannotStart
from godos.model.fragments import BLOCK
from godos.model.names import FragmentName
from godos.storage.check import DirectoryCheck, Watch, locked
from godos.storage.files import READ, LocalFiles
from godos.storage.findings import Finding, Sort
from godos.storage.index import key_of
from godos.storage.past_cache import PAGE, PastCacheFiles
from godos.storage.records import (
    FIRST_RECORD,
    SECOND_COPY,
    Parsed,
    Record,
    VolumeHeader,
    salt_check,
)
from godos.storage.scan import Pages, scan
from tests.contract.fragment_store import content
from tests.simulation.node import now
from tests.unit.storage.nodes import flip, opened, picture, serving, stored

LARGE = 9 * BLOCK + 5
SMALL_NAMES = [FragmentName(f"{number:032x}", number) for number in range(20)]
SIZES = [0, 1, 100, 5000, 20_000]


@define
class Result:
    """What a check said."""

    check: DirectoryCheck
    findings: list[Finding]
    expected: list[int] = field(factory=list)
    progress: list[int] = field(factory=list)

    def of(self, sort: Sort) -> list[Finding]:
        return [finding for finding in self.findings if finding.sort is sort]

    @property
    def sorts(self) -> set[Sort]:
        return {finding.sort for finding in self.findings}


def check(directory: Path, files: PastCacheFiles | None = None) -> Result:
    """Check it, which changes nothing."""
    files = files or PastCacheFiles()
    before = picture(directory)
    result = Result(None, [])  # type: ignore[arg-type]
    watch = Watch(result.findings.append, result.expected.append, result.progress.append)
    with locked(files, str(directory)):
        result.check = DirectoryCheck.of(files, str(directory), watch)
        result.check.run()
    assert picture(directory) == before
    return result


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """Small fragments in several volumes, some removed, some replaced, and two large ones."""
    directory = tmp_path / "node"
    with serving(directory) as store:
        for number, name in enumerate(SMALL_NAMES):
            stored(store, SIZES[number % len(SIZES)], name)
        for name in SMALL_NAMES[:3]:
            now(store.remove(name))
        stored(store, 5000, SMALL_NAMES[3])
        stored(store, LARGE, FragmentName("ab" * 16, 1))
        stored(store, LARGE, FragmentName("cd" * 16, 0))
    return directory


def place_of(directory: Path, name: FragmentName) -> tuple[Path, int, int, int]:
    """Volume, offset of the record, and head and length of a small fragment."""
    with apsw.Connection(str(directory / "index.sqlite")) as index:
        rows = index.execute(
            "SELECT number, offset, head, length FROM fragment "
            "JOIN volume ON volume.id = fragment.volume WHERE name = ?",
            (key_of(name),),
        )
        number, offset, head, length = rows.fetchall()[0]
    return directory / "volumes" / f"{number:016x}", offset, head, length


def volumes(directory: Path) -> list[Path]:
    return sorted((directory / "volumes").iterdir())


# -- sound directories --------------------------------------------------------------------
def test_sound(node: Path) -> None:
    """A node that stopped orderly has nothing to be reported, and all of it was read."""
    result = check(node)
    assert result.findings == []
    found = result.check.findings
    assert (found.clean, found.readable) == (True, True)
    assert found.files == 2
    assert found.volumes == len(volumes(node)) > 2
    assert found.fragments >= len(SMALL_NAMES) + 2
    payloads = [path for path in node.rglob("*") if path.parent.name in ("volumes", "ab", "cd")]
    size = sum(path.stat().st_size for path in payloads)
    assert result.expected == [size] == [sum(result.progress)] == [found.size]


def test_new_node(tmp_path: Path) -> None:
    """A node without any fragment is sound."""
    with serving(tmp_path / "node"):
        pass
    result = check(tmp_path / "node")
    assert result.findings == []
    assert result.expected == [0]


def test_node_that_was_killed(tmp_path: Path, node: Path) -> None:
    """An index behind its log and an upload that was not finished are nothing bad."""
    store = opened(node)
    for name in SMALL_NAMES[10:]:
        stored(store, 5001, name)
    now(store.remove(SMALL_NAMES[4]))
    upload: object = now(store.upload(FragmentName("ef" * 16, 0), LARGE))
    now(upload.write([content(LARGE)]))  # type: ignore[attr-defined]
    copy = tmp_path / "copy"
    shutil.copytree(node, copy)
    now(store.close())
    result = check(copy)
    assert result.sorts == {Sort.LEFTOVER}
    assert {finding.file.split("/")[0] for finding in result.findings} == {"staging"}


@pytest.mark.parametrize("seed", range(4))
def test_a_busy_life(tmp_path: Path, seed: int) -> None:
    """No kill in a life of puts, replacements, removals and compactions looks like damage."""
    random, node = Random(seed), tmp_path / "node"
    store = opened(node)
    for step in range(150):
        name = SMALL_NAMES[random.randrange(len(SMALL_NAMES))]
        if random.random() < 0.7:
            stored(store, random.choice([10, 3000, 20_000]), name)
        else:
            now(store.remove(name))
        if random.random() < 0.05:
            now(store.compact())
        if random.random() < 0.05:
            now(store.close())
            store = opened(node)
        if step % 30 == 29:
            shutil.copytree(node, tmp_path / str(step))
    now(store.close())
    for directory in tmp_path.iterdir():
        assert check(directory).sorts <= {Sort.LEFTOVER}


def test_unfinished_write(node: Path) -> None:
    """What was being written when the power failed is a leftover, until the next start."""
    newest = volumes(node)[-1]
    end = records(newest)[-1].end
    raw = bytearray(newest.read_bytes().ljust(end + 200, b"\0"))
    raw[end : end + 100] = content(100)
    newest.write_bytes(raw)
    result = check(node)
    assert [(each.sort, each.offset) for each in result.findings] == [(Sort.LEFTOVER, end)]
    with serving(node):
        pass
    assert check(node).findings == []


def records(volume: Path) -> list[Record]:
    """The records of a sound volume."""
    files = LocalFiles()
    fd = files.open(str(volume), READ)
    header = VolumeHeader.decode(files.read(fd, FIRST_RECORD, 0))
    assert header is not None
    pages = Pages(files, fd, files.size(fd))
    found = list(scan(pages, FIRST_RECORD, salt_check(header.salt)))
    files.close(fd)
    return [each.record for each in found if isinstance(each, Parsed)]


def test_strange_names(node: Path) -> None:
    """Files that are not ours by their names are told, and are no damage."""
    for name in ("volumes/notes", "objects/zz", "objects/ab/cat.jpg", "staging/" + "0" * 32):
        (node / name).write_bytes(b"x")
    result = check(node)
    assert result.sorts == {Sort.LEFTOVER}
    assert {each.file for each in result.findings} == {
        "volumes/notes",
        "objects/zz",
        "objects/ab/cat.jpg",
        "staging/" + "0" * 32,
    }
    assert result.check.findings.clean


# -- damage in volumes ----------------------------------------------------------------------
def test_damaged_payload_of_a_small_fragment(node: Path) -> None:
    """It is told by name, with file and offset."""
    name = SMALL_NAMES[-1]
    path, offset, head, _ = place_of(node, name)
    flip(path, offset + head + 7)
    (finding,) = check(node).findings
    assert finding == Finding(
        Sort.DAMAGED,
        f"volumes/{path.name}",
        offset,
        "block 0 of its payload fails its check",
        name,
    )


@pytest.mark.parametrize("name", [SMALL_NAMES[3], SMALL_NAMES[1]])
def test_damage_in_what_does_not_count_any_more(node: Path, name: FragmentName) -> None:
    """A fragment that was replaced or removed is no loss when its old bytes are damaged."""
    first = volumes(node)[0]
    record = next(record for record in records(first) if record.name == name)
    flip(first, record.offset + record.head)
    result = check(node)
    assert [(each.sort, each.fragment) for each in result.findings] == [(Sort.LEFTOVER, name)]
    assert result.check.findings.clean


def test_damaged_record(node: Path) -> None:
    """Where a record's head is damaged, the index still knows which fragment was there."""
    name = SMALL_NAMES[-1]
    path, offset, _, _ = place_of(node, name)
    flip(path, offset + 20)
    result = check(node)
    assert result.sorts == {Sort.DAMAGED}
    assert {(each.offset, each.fragment) for each in result.findings} == {
        (offset, None),
        (offset, name),
    }


@pytest.mark.parametrize("copy", [0, 1])
def test_one_damaged_header(node: Path, copy: int) -> None:
    """The volume is read by its other header, and all its fragments verify."""
    flip(volumes(node)[0], copy * SECOND_COPY + 30)
    (finding,) = check(node).findings
    assert (finding.sort, finding.offset) == (Sort.DAMAGED, copy * SECOND_COPY)


@pytest.mark.parametrize("has_index", [True, False])
def test_both_headers_damaged(node: Path, has_index: bool) -> None:
    """With what the index noted the records still verify; without it they are lost."""
    first = volumes(node)[0]
    flip(first, 30)
    flip(first, SECOND_COPY + 30)
    if not has_index:
        (node / "index.sqlite").unlink()
    result = check(node)
    damaged = result.of(Sort.DAMAGED)
    assert [each.offset for each in damaged[:2]] == [0, SECOND_COPY]
    assert [each.what for each in damaged[2:]] == (
        []
        if has_index
        else [
            f"without a header none of its {first.stat().st_size} bytes can be verified or served"
        ]
    )
    assert sum(result.progress) == result.expected[0]


def test_volume_cut_short(node: Path) -> None:
    """All fragments behind the cut are told by name."""
    path, offset, _, _ = place_of(node, SMALL_NAMES[-1])
    raw = path.read_bytes()
    path.write_bytes(raw[:offset])
    result = check(node)
    assert SMALL_NAMES[-1] in {each.fragment for each in result.of(Sort.DAMAGED)}
    assert result.sorts == {Sort.DAMAGED}


def test_renamed_volume(node: Path) -> None:
    """A volume under another's number is told."""
    volumes(node)[-1].rename(node / "volumes" / f"{77:016x}")
    assert any("its header calls it" in each.what for each in check(node).of(Sort.DAMAGED))


def test_volume_of_a_newer_format(node: Path) -> None:
    """What a newer godos wrote is refused and not called damaged."""
    first = volumes(node)[0]
    header = VolumeHeader(1, bytes(16), bytes(16), 1, format=2)
    first.write_bytes(header.encode() + first.read_bytes()[FIRST_RECORD:])
    with pytest.raises(CannotStart, match="newer godos"):
        check(node)


# -- damage in large fragments -----------------------------------------------------------------
def large(node: Path) -> Path:
    return node / "objects" / "ab" / ("ab" * 16 + ".1")


@pytest.mark.parametrize("block", [0, 3, 8, 9])
def test_damaged_block(node: Path, block: int) -> None:
    """The block is told, and that of no other fragment."""
    flip(large(node), block * BLOCK + 3)
    (finding,) = check(node).findings
    assert (finding.sort, finding.offset) == (Sort.DAMAGED, block * BLOCK)
    assert str(finding.fragment) == large(node).name


@pytest.mark.parametrize("size", [0, 10, LARGE, LARGE + 50])
def test_large_fragment_cut_short(node: Path, size: int) -> None:
    """A file without a whole trailer is damaged."""
    large(node).write_bytes(large(node).read_bytes()[:size])
    result = check(node)
    assert [(each.sort, str(each.fragment)) for each in result.findings] == [
        (Sort.DAMAGED, large(node).name)
    ]
    assert sum(result.progress) == result.expected[0]


def test_file_of_another_fragment(node: Path) -> None:
    """A file under a wrong name is damaged."""
    other = node / "objects" / "ab" / ("ab" * 16 + ".2")
    other.write_bytes(large(node).read_bytes())
    (finding,) = check(node).findings
    assert finding.what == f"it holds fragment {large(node).name}"


# -- the index ---------------------------------------------------------------------------
def change(node: Path, statement: str) -> None:
    """Damage the index in a way that SQLite cannot see."""
    index = apsw.Connection(str(node / "index.sqlite"))
    index.execute(statement)
    index.close()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM fragment WHERE name = (SELECT max(name) FROM fragment)",
        "UPDATE fragment SET offset = offset + 8 WHERE name = (SELECT max(name) FROM fragment)",
        "INSERT INTO fragment VALUES(zeroblob(18), 1, 8192, 90, 3, 10000)",
        "INSERT INTO fragment VALUES(zeroblob(18), 999, 8192, 90, 3, 10000)",
        "DELETE FROM tombstone WHERE sequence = (SELECT min(sequence) FROM tombstone)",
    ],
)
def test_index_that_disagrees(node: Path, statement: str) -> None:
    """What the index has and the log has not, or the other way round, is told."""
    change(node, statement)
    result = check(node)
    assert result.sorts == {Sort.INDEX}
    assert not result.check.findings.clean
    for path in node.glob("index.sqlite*"):
        path.unlink()
    with serving(node):
        pass
    assert check(node).findings == []


@pytest.mark.parametrize("raw", [b"", b"rubbish" * 1000, b"SQLite format 3\0" + bytes(5000)])
def test_index_that_cannot_be_used(node: Path, raw: bytes) -> None:
    """A damaged index is told, and all else is checked without it."""
    (node / "index.sqlite").write_bytes(raw)
    result = check(node)
    assert [each.sort for each in result.findings] == [Sort.INDEX]
    assert result.check.findings.fragments > len(SMALL_NAMES)


def test_missing_index(node: Path) -> None:
    """It is made anew by the next start, so it is no damage."""
    (node / "index.sqlite").unlink()
    assert check(node).sorts == {Sort.LEFTOVER}


# -- what cannot be read ------------------------------------------------------------------------
class BadDisk(PastCacheFiles):
    """One page of one file cannot be read; other files cannot be opened at all."""

    def __init__(self, path: Path, offset: int, shut: Sequence[Path] = ()) -> None:
        super().__init__()
        self._path, self._offset = str(path), offset
        self._shut = [str(each) for each in shut]
        self._bad: set[int] = set()

    def open(self, path: str, flags: int) -> int:
        if path in self._shut:
            raise PermissionError(errno.EACCES, "Permission denied")
        fd = super().open(path, flags)
        self._bad.discard(fd)
        if path == self._path:
            self._bad.add(fd)
        return fd

    def ask(self, fd: int, size: int, offset: int) -> int:
        if fd in self._bad and offset <= self._offset < offset + size:
            raise OSError(errno.EIO, "Input/output error")
        return super().ask(fd, size, offset)


def test_bad_page_under_a_small_fragment(node: Path) -> None:
    """The page and the fragments on it are told, and the others verify."""
    path, offset, head, _ = place_of(node, SMALL_NAMES[-1])
    result = check(node, BadDisk(path, offset + head + PAGE))
    assert SMALL_NAMES[-1] in {each.fragment for each in result.of(Sort.DAMAGED)}
    (unreadable,) = result.of(Sort.UNREADABLE)
    assert unreadable.what == "4096 bytes cannot be read: Input/output error"
    assert unreadable.offset <= offset + head + PAGE < unreadable.offset + PAGE
    assert not result.check.findings.readable


def test_bad_page_under_a_header(node: Path) -> None:
    """It is told although the other copy serves."""
    result = check(node, BadDisk(volumes(node)[0], 10))
    assert {(each.sort, each.offset) for each in result.findings} == {
        (Sort.DAMAGED, 0),
        (Sort.UNREADABLE, 0),
    }


@pytest.mark.parametrize("offset", [0, 5 * BLOCK, LARGE + 10])
def test_bad_page_of_a_large_fragment(node: Path, offset: int) -> None:
    """The fragment is damaged, and the disk does not give every byte."""
    result = check(node, BadDisk(large(node), offset))
    assert result.sorts == {Sort.DAMAGED, Sort.UNREADABLE}
    assert {str(each.fragment) for each in result.findings} == {large(node).name}


def test_bad_page_of_the_index(node: Path) -> None:
    """A disk that does not give its index is not whole."""
    result = check(node, BadDisk(node / "index.sqlite", 0))
    assert result.sorts == {Sort.UNREADABLE}


def test_files_that_cannot_be_opened(node: Path) -> None:
    """Each is told once, and the rest is checked."""
    shut = [volumes(node)[0], large(node), node / "index.sqlite"]
    result = check(node, BadDisk(node / "none", 0, shut))
    assert {each.file for each in result.of(Sort.UNREADABLE)} == {
        str(path.relative_to(node)) for path in shut
    }
    assert len(result.of(Sort.UNREADABLE)) == 3
    assert not result.check.findings.readable


def test_missing_folder(node: Path) -> None:
    """A directory that lacks a part is damaged."""
    (node / "staging").rmdir()
    (finding,) = check(node).findings
    assert (finding.sort, finding.file) == (Sort.DAMAGED, "staging")


# -- refusals ------------------------------------------------------------------------------
def test_directory_in_use(node: Path) -> None:
    """While a daemon serves a directory, it is not checked."""
    with serving(node), pytest.raises(CannotStart, match="another process serves"):
        check(node)


def test_no_daemon_starts_meanwhile(node: Path) -> None:
    """While a directory is checked, no daemon serves it."""
    with locked(PastCacheFiles(), str(node)), pytest.raises(CannotStart):
        opened(node)


@pytest.mark.parametrize("text", [None, "{}", '{"format": 9, "node": "' + "a" * 32 + '"}'])
def test_no_storage_directory(tmp_path: Path, text: str | None) -> None:
    """A directory without a readable node.json is refused, and may be locked again."""
    if text is not None:
        (tmp_path / "node.json").write_text(text)
    for _ in range(2):
        with pytest.raises(CannotStart):
            check(tmp_path)


# -- letting a node back ------------------------------------------------------------------------
def broken(node: Path) -> None:
    """The node leaves service."""
    with serving(node) as store:
        store._parts.health.fail("syncing a volume", OSError(errno.EIO, "Input/output error"))
    with pytest.raises(CannotStart, match="godos disk check"):
        opened(node)


def let_back(node: Path, files: PastCacheFiles | None = None) -> tuple[Result, bool]:
    result = check(node, files)
    with locked(PastCacheFiles(), str(node)) as identity:
        return result, result.check.let_back(identity)


def test_checked_node_serves_again(node: Path) -> None:
    """A node that failed is refused until it was checked, and knows then that it was."""
    broken(node)
    result, back = let_back(node)
    assert back
    assert result.check.failure == "syncing a volume: [Errno 5] Input/output error"
    with serving(node) as store:
        assert now(store.checked())
        assert now(store.verify(SMALL_NAMES[5])).name == SMALL_NAMES[5]
        now(store.forget_check())
        assert not now(store.checked())


def test_damage_does_not_keep_a_node_out(node: Path) -> None:
    """Single damaged fragments are repaired from elsewhere, and the rest is served."""
    broken(node)
    flip(large(node), 5)
    result, back = let_back(node)
    assert back
    assert not result.check.findings.clean
    with serving(node) as store:
        assert now(store.checked())


def test_disk_with_bad_pages_stays_out(node: Path) -> None:
    """A disk that does not give every byte is not trusted again."""
    broken(node)
    _, back = let_back(node, BadDisk(large(node), 0))
    assert not back
    with pytest.raises(CannotStart, match="godos disk check"):
        opened(node)


def test_failure_after_the_check(node: Path) -> None:
    """A node that fails again needs another check."""
    broken(node)
    let_back(node)
    broken(node)
    assert not (node / "checked.json").exists()
