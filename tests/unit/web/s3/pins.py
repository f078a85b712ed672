"""
Digests of what is used of the service's description, one for each operation.

`python -m tests.unit.web.s3.pins` writes them to `pins.txt` beside this file; do so when a
change of the description was looked at and found to be in order.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from godos.web.s3.description import service
from godos.web.s3.served import SERVED

PINS = Path(__file__).with_name("pins.txt")


def form(shape: Any) -> Any:
    """A shape without its documentation, and without the values of enumerations: those are text."""
    if shape is None:
        return None
    told = {"type": shape.type_name, "on the wire": shape.serialization}
    match shape.type_name:
        case "structure":
            told["members"] = {name: form(inner) for name, inner in shape.members.items()}
            told["required"] = sorted(shape.required_members)
        case "list":
            told["of"] = form(shape.member)
        case "map":
            told["of"] = [form(shape.key), form(shape.value)]
    return told


def digest(name: str) -> str:
    """16 hex digits that change when the form of an operation does."""
    model = service().operation_model(name)
    told = [
        model.http,
        model.http_checksum.get("requestChecksumRequired", False),
        form(model.input_shape),
        form(model.output_shape),
    ]
    return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def pins() -> str:
    """The lines of `pins.txt`."""
    return "".join(f"{digest(name)} {name}\n" for name in sorted(SERVED))


if __name__ == "__main__":
    PINS.write_text(pins(), "utf-8")
