"""What can be configured of how the store looks after itself."""

from __future__ import annotations

from typing import Any

import pytest

from godos.service.settings import SettingError
from godos.service.upkeep_settings import OF_DISKS, SETTINGS, scrub_settings, upkeep_settings


def options(**given: Any) -> dict[str, Any]:
    """Options as they are when only `given`, as texts, is configured."""
    found: dict[str, Any] = {}
    for setting in (*SETTINGS, *OF_DISKS):
        text = given.get(setting.name.replace("-", "_"), setting.default)
        if setting.repeatable:
            found[setting.name] = tuple(setting.parse(one) for one in text or ())
        else:
            found[setting.name] = setting.parse(text)
    return found


def test_storage_classes_are_mapped_to_policies() -> None:
    """Each that is named; the others are only labels."""
    told = options(storage_class=["REDUCED_REDUNDANCY=copies=2", "STANDARD=ec=4+2"])
    classes = upkeep_settings(told).classes
    assert classes == {"REDUCED_REDUNDANCY": "copies=2", "STANDARD": "ec=4+2"}
    assert upkeep_settings(options()).classes == {}


@pytest.mark.parametrize(
    "text", ["GLACIER=copies=2", "STANDARD", "STANDARD=", "STANDARD=ec=1+1", "=copies=2"]
)
def test_what_is_no_storage_class(text: str) -> None:
    """A line that says what is one."""
    with pytest.raises(ValueError, match=r"is no (storage class|policy)"):
        options(storage_class=[text])


def test_a_storage_class_has_one_policy() -> None:
    """Two cannot both be meant."""
    told = options(storage_class=["STANDARD=copies=2", "STANDARD=copies=3"])
    with pytest.raises(SettingError, match="STANDARD is given twice"):
        upkeep_settings(told)


def test_rates_and_days() -> None:
    """Bytes a second with a unit, days in seconds."""
    told = options(repair_rate="800k", verify_days="0.5", scrub_days="7", scrub_rate="1G")
    assert upkeep_settings(told).repair_rate == 800_000
    assert upkeep_settings(told).verify_within == 43_200
    assert scrub_settings(told).within == 7 * 86_400
    assert scrub_settings(told).rate == 1_000_000_000
    assert upkeep_settings(options(repair_rate="0")).repair_rate == 0


@pytest.mark.parametrize(
    "given",
    [
        {"repair_rate": "fast"},
        {"repair_rate": "M"},
        {"repair_rate": "-1"},
        {"scrub_days": "0"},
        {"verify_days": "soon"},
    ],
)
def test_what_is_neither_rate_nor_days(given: dict[str, str]) -> None:
    """It is refused, rather than taken for something."""
    with pytest.raises(ValueError, match=r"is no (rate|number)|too few"):
        options(**given)
