"""Paths in a storage directory: docs/disk-format.rst."""

from __future__ import annotations

import re

from attrs import frozen

from godos.model.names import FragmentName

_VOLUME = re.compile(r"[0-9a-f]{16}")


@frozen
class Layout:
    """The paths of one storage directory."""

    root: str

    @property
    def volumes(self) -> str:
        return f"{self.root}/volumes"

    @property
    def objects(self) -> str:
        return f"{self.root}/objects"

    @property
    def staging(self) -> str:
        return f"{self.root}/staging"

    @property
    def identity(self) -> str:
        return f"{self.root}/node.json"

    @property
    def failure(self) -> str:
        return f"{self.root}/failed.json"

    @property
    def proof(self) -> str:
        return f"{self.root}/checked.json"

    @property
    def scrub(self) -> str:
        return f"{self.root}/scrub.json"

    @property
    def index(self) -> str:
        return f"{self.root}/index.sqlite"

    def volume(self, number: int) -> str:
        return f"{self.root}/volumes/{number:016x}"

    def staged(self, unique: str) -> str:
        return f"{self.root}/staging/{unique}"

    def shelf_of(self, name: FragmentName) -> str:
        """The folder that holds the file of a large fragment."""
        return f"{self.root}/objects/{name.incarnation[:2]}"

    def object(self, name: FragmentName) -> str:
        return f"{self.root}/objects/{name.incarnation[:2]}/{name}"


def volume_number(file_name: str) -> int | None:
    """The number of the volume in a file of this name; None when it is not a volume's name."""
    return int(file_name, 16) if _VOLUME.fullmatch(file_name) else None


def fragment_of(shelf: str, file_name: str) -> FragmentName | None:
    """The fragment in a file of this name in `objects/<shelf>`; None when it is none."""
    try:
        name = FragmentName.parse(file_name)
    except ValueError:
        return None
    return name if name.incarnation.startswith(shelf) else None
