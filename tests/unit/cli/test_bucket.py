"""`godos bucket` as an operator meets it."""

from __future__ import annotations

import pytest

from godos.model.versions import Versioning
from tests.simulation.node import now
from tests.unit.cli.catalogs import Operator


@pytest.fixture
def godos() -> Operator:
    operator = Operator()
    now(operator.catalog.create_bucket("photos", "alice"))
    return operator


def test_list(godos: Operator) -> None:
    """All buckets, with owner and limits."""
    godos("bucket", "quota", "photos", "--bytes", "10GiB", "--objects", "5")
    lines = godos("bucket", "list").stdout.splitlines()
    assert any(line.endswith("  photos  owner=alice  quota=10.0 GiB, 5 objects") for line in lines)
    assert "photos" in [bucket["name"] for bucket in godos.json("bucket", "list")]


def test_show(godos: Operator) -> None:
    """For people a line each, for machines all documents."""
    now(godos.catalog.set_setting(now(godos.catalog.bucket("photos")), "tagging", {"a": "b"}))
    shown = dict(
        line.split(maxsplit=1) for line in godos("bucket", "show", "photos").stdout.splitlines()
    )
    assert (shown["policy"], shown["compression"]) == ("that of the servers", "none")
    assert (shown["owner"], shown["versioning"], shown["quota"], shown["settings"]) == (
        "alice",
        "never on",
        "none",
        "tagging",
    )
    assert godos.json("bucket", "show", "photos")["settings"] == {"tagging": {"a": "b"}}


def test_quota(godos: Operator) -> None:
    """Limits are set one by one, shown beside what is held, and taken away."""
    godos("bucket", "quota", "photos", "--bytes", "1000")
    godos("bucket", "quota", "photos", "--objects", "7")
    bucket = now(godos.catalog.bucket("photos"))
    now(
        godos.catalog.set_setting(
            bucket, "usage", {"bytes": 731, "objects": 3, "surveyed": 1_700_000_000.0}
        )
    )
    assert godos("bucket", "quota", "photos").stdout.splitlines() == [
        "quota       1000 bytes, 7 objects",
        "holds       731 bytes, 3 objects, counted 2023-11-14T22:13:20Z",
    ]
    assert godos.json("bucket", "quota", "photos")["quota"] == {"bytes": 1000, "objects": 7}
    assert godos("bucket", "quota", "photos", "--none").stdout == "quota       none\n"
    godos.clock.advance(3)
    assert now(godos.catalog.settings(bucket)) == {}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("quota", "photos", "--bytes", "many"), 2),
        (("quota", "photos", "--bytes", "-5"), 2),
        (("quota", "photos", "--objects", "1.5"), 2),
        (("quota", "photos", "--none", "--objects", "1"), 2),
        (("quota", "nothing", "--objects", "1"), 1),
        (("show", "nothing"), 1),
        (("versioning", "photos", "off"), 2),
        (("versioning", "nothing", "enabled"), 1),
        (("compression", "photos", "lzma"), 2),
        (("compression", "nothing", "zstd"), 1),
        (("policy", "photos", "copies=0"), 2),
        (("policy", "photos", "ec=1+1"), 2),
        (("policy", "photos", "many"), 2),
        (("policy", "nothing", "copies=2"), 1),
    ],
)
def test_refused(godos: Operator, words: tuple[str, ...], code: int) -> None:
    """A wrong word or a bucket that is not there changes nothing."""
    assert godos("bucket", *words).exit_code == code
    assert now(godos.catalog.settings(now(godos.catalog.bucket("photos")))) == {}


def test_versioning(godos: Operator) -> None:
    """It is switched for whoever owns the bucket."""
    for word, versioning in (
        ("enabled", Versioning.ENABLED),
        ("suspended", Versioning.SUSPENDED),
    ):
        assert godos("bucket", "versioning", "photos", word).exit_code == 0
        godos.clock.advance(3)
        assert now(godos.catalog.bucket("photos")).versioning is versioning


def test_how_a_bucket_is_stored(godos: Operator) -> None:
    """Compression and policy are set one by one, shown, and taken away again."""

    def document() -> object:
        godos.clock.advance(3)
        settings = now(godos.catalog.settings(now(godos.catalog.bucket("photos"))))
        return settings.get("storage")

    assert godos("bucket", "compression", "photos", "zstd").stdout == (
        "The compression of photos is zstd for what is stored from now on.\n"
    )
    assert document() == {"compression": "zstd"}
    assert "ec=4+2" in godos("bucket", "policy", "photos", "ec=4+2").stdout
    assert document() == {"compression": "zstd", "policy": "ec=4+2"}
    lines = godos("bucket", "show", "photos").stdout.splitlines()
    assert {"policy      ec=4+2", "compression zstd", "settings    none"} <= set(lines)
    assert godos.json("bucket", "show", "photos")["storage"] == document()
    godos("bucket", "compression", "photos", "none")
    assert document() == {"policy": "ec=4+2"}
    godos("bucket", "policy", "photos", "auto")
    assert document() == {"policy": "auto"}
    godos("bucket", "policy", "photos", "default")
    assert document() is None


def test_a_policy_that_there_are_too_few_nodes_for(godos: Operator) -> None:
    """It is taken, for nodes may come; and it is said what happens until then."""
    assert (
        "ec=4+2 needs 6 nodes and there are 0"
        in godos("bucket", "policy", "photos", "ec=4+2").stderr
    )
    assert "below target" in godos("bucket", "policy", "photos", "copies=2").stderr
    assert godos("bucket", "policy", "photos", "auto").stderr == ""
