"""The marks that a failure and a check leave on a disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from godos.model.names import new_id
from godos.storage.files import LocalFiles
from godos.storage.layout import Layout
from godos.storage.proof import failure_of, forget_proof, is_proved, let_back

FILES = LocalFiles()
NODE = "a" * 32


def test_without_marks(tmp_path: Path) -> None:
    """A node that never failed and was never checked has none."""
    layout = Layout(str(tmp_path))
    assert failure_of(FILES, layout) is None
    assert not is_proved(FILES, layout, NODE)
    forget_proof(FILES, layout)


def test_let_back(tmp_path: Path) -> None:
    """The proof takes the place of the failure, for this node alone, until it is forgotten."""
    layout = Layout(str(tmp_path))
    (tmp_path / "failed.json").write_text('{"format": 1, "reason": "it broke"}')
    (tmp_path / "checked.json.new").write_text("of a check that was killed")
    assert failure_of(FILES, layout) == "it broke"
    let_back(FILES, layout, NODE)
    assert failure_of(FILES, layout) is None
    assert is_proved(FILES, layout, NODE)
    assert not is_proved(FILES, layout, new_id())
    assert [path.name for path in tmp_path.iterdir()] == ["checked.json"]
    let_back(FILES, layout, NODE)
    forget_proof(FILES, layout)
    assert not is_proved(FILES, layout, NODE)


@pytest.mark.parametrize("text", ["", "[]", '{"reason": 1}', "{"])
def test_marks_that_make_no_sense(tmp_path: Path, text: str) -> None:
    """A failure stays one whatever it says; a proof must say which node it is of."""
    layout = Layout(str(tmp_path))
    (tmp_path / "failed.json").write_text(text)
    (tmp_path / "checked.json").write_text(text)
    assert failure_of(FILES, layout) == "for a reason that could not be written down"
    assert not is_proved(FILES, layout, NODE)
