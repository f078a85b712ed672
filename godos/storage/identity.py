"""Who a storage directory is: `node.json`, and what makes a daemon refuse a directory."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from attrs import evolve, frozen

from godos.model.errors import CannotStart, ClusterMismatch
from godos.model.names import is_id, new_id
from godos.storage.files import CREATE, READ, IFiles, LocalFiles
from godos.storage.layout import Layout

FORMAT = 1
_LARGEST = 64 << 10  # bytes of node.json
_OURS = ("volumes", "objects", "staging")
_HARMLESS = frozenset({"lost+found", "node.json.new", *_OURS})  # before node.json is there


@frozen
class Identity:
    """`cluster` is None until a cluster adopts the node.  `format` is the directory's."""

    node: str
    cluster: str | None
    format: int = FORMAT

    def encode(self) -> bytes:
        """The content of node.json."""
        fields = {"format": self.format, "node": self.node, "cluster": self.cluster}
        return json.dumps(fields, indent=1).encode() + b"\n"


def read_identity(directory: str, files: IFiles | None = None) -> Identity | None:
    """
    Who the storage directory is; None when nobody made it one.

    Raises:
        CannotStart: it cannot be read, or a newer godos wrote it.
    """
    path = Layout(directory).identity
    try:
        raw = _read(files or LocalFiles(), path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CannotStart(f"cannot read {path}: {error.strerror}") from error
    return _decode(path, raw)


def _read(files: IFiles, path: str) -> bytes:
    fd = files.open(path, READ)
    try:
        return files.read(fd, _LARGEST, 0)
    finally:
        files.close(fd)


def _decode(path: str, raw: bytes) -> Identity:
    try:
        fields: Any = json.loads(raw)
        form, node, cluster = fields["format"], fields["node"], fields.get("cluster")
        sound = isinstance(form, int) and isinstance(node, str) and is_id(node)
        sound = sound and (cluster is None or (isinstance(cluster, str) and is_id(cluster)))
    except (ValueError, KeyError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise CannotStart(f"{path} is damaged: it does not name a node")
    if form > FORMAT:
        raise CannotStart(
            f"{path} says format {form}, written by a newer godos: this one knows up to {FORMAT}"
        )
    return Identity(node, cluster, form)


def write_identity(files: IFiles, layout: Layout, identity: Identity) -> None:
    """Replace node.json, durably.  Raises OSError."""
    fresh = layout.identity + ".new"
    with suppress(FileNotFoundError):
        files.unlink(fresh)
    fd = files.open(fresh, CREATE)
    try:
        files.write(fd, [identity.encode()], 0)
        files.sync(fd)
    finally:
        files.close(fd)
    files.rename(fresh, layout.identity)
    files.sync_directory(layout.root)


def lock_directory(files: IFiles, directory: str) -> int:
    """
    Lock the storage directory for this process.

    Raises:
        CannotStart: it is not there, or another process has it.
    """
    try:
        return files.lock(directory)
    except BlockingIOError as error:
        raise CannotStart(f"another process serves the storage directory {directory}") from error
    except FileNotFoundError as error:
        raise CannotStart(f"the storage directory {directory} does not exist") from error
    except OSError as error:
        raise CannotStart(
            f"cannot use the storage directory {directory}: {error.strerror}"
        ) from error


def check_usable(files: IFiles, layout: Layout) -> None:
    """
    Refuse a directory that cannot be written, or whose disk failed.

    Raises:
        CannotStart: in one line why.
    """
    if files.read_only(layout.root):
        raise CannotStart(f"the storage directory {layout.root} cannot be written to")
    if "failed.json" in files.names(layout.root):
        raise CannotStart(
            f"the disk of {layout.root} failed ({_failure(files, layout)}): "
            f"run `godos disk check {layout.root}` before it may serve again"
        )


def _failure(files: IFiles, layout: Layout) -> str:
    """The reason that the node left behind."""
    try:
        return str(json.loads(_read(files, layout.failure))["reason"])
    except (OSError, ValueError, KeyError, TypeError):
        return "for a reason that could not be written down"


def found_directory(
    files: IFiles, layout: Layout, cluster: str | None, beside: Sequence[str] = ()
) -> Identity:
    """
    Make an empty directory a node's: the folders first, node.json last.

    `beside` are beginnings of file names that may be there already.

    Raises:
        CannotStart: something else is in it, or it cannot be written to.
    """
    names = files.names(layout.root)
    strange = [
        name
        for name in sorted(names)
        if name not in _HARMLESS and not name.startswith(tuple(beside))
    ]
    strange += [
        f"{folder}/{name}"
        for folder in _OURS
        if folder in names
        for name in sorted(files.names(f"{layout.root}/{folder}"))
    ]
    if strange:
        raise CannotStart(
            f"{layout.root} is no storage directory and not empty: it holds {strange[0]!r}"
        )
    if files.read_only(layout.root):
        raise CannotStart(f"the storage directory {layout.root} cannot be written to")
    for folder in _OURS:
        if folder not in names:
            files.make_directory(f"{layout.root}/{folder}")
    files.sync_directory(layout.root)
    identity = Identity(new_id(), cluster)
    write_identity(files, layout, identity)
    return identity


def make_root(files: IFiles, directory: str) -> None:
    """Create the storage directory, and folders above it, durably.  Raises OSError."""
    parent = os.path.dirname(directory.rstrip("/")) or ("/" if directory[0] == "/" else ".")
    try:
        files.make_directory(directory)
    except FileExistsError:
        return
    except FileNotFoundError:
        make_root(files, parent)
        files.make_directory(directory)
    files.sync_directory(parent)


def belongs_to(identity: Identity, directory: str, cluster: str | None) -> bool:
    """
    Whether a node is of this cluster already; False: it was of none so far.

    Raises:
        ClusterMismatch: it is of another.
    """
    if cluster is None or identity.cluster == cluster:
        return True
    if identity.cluster is None:
        return False
    raise ClusterMismatch(
        f"the storage directory {directory} belongs to cluster {identity.cluster}, "
        f"and the catalog is that of cluster {cluster}"
    )


def adopted(identity: Identity, cluster: str) -> Identity:
    """The identity as a member of `cluster`."""
    return evolve(identity, cluster=cluster)
