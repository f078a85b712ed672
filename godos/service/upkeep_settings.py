"""What can be configured of how the store looks after itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from godos.model.policy import Policy
from godos.service import values
from godos.service.settings import Setting, SettingError

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
DAY = 86400.0  # seconds


def _rate(text: str) -> float:
    """A rate such as `50M`; 0 stands for no limit."""
    digits = text.rstrip("kMG")
    unit = _UNITS.get(text[len(digits) :])
    if unit is None or not digits.isascii() or not digits.isdigit():
        raise ValueError(f"{text!r} is no rate: bytes a second, such as 800k, 50M or 1G; 0: any")
    return float(int(digits) * unit)


def _days(text: str) -> float:
    """A number of days, more than 0, in seconds."""
    try:
        days = values.seconds(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no number of days, such as 14 or 0.5") from error
    if not days:
        raise ValueError("0 days are too few")
    return days * DAY


def _storage_class(text: str) -> tuple[str, str]:
    """`NAME=POLICY`."""
    name, equals, policy = text.partition("=")
    if not equals or name not in {"STANDARD", "REDUCED_REDUNDANCY"}:
        raise ValueError(
            f"{text!r} is no storage class: STANDARD=POLICY or REDUCED_REDUNDANCY=POLICY"
        )
    return name, str(Policy.parse(policy))


STORAGE_CLASS = Setting(
    "storage-class",
    "Store what is uploaded with this x-amz-storage-class under this policy, whatever its bucket "
    "says: REDUCED_REDUNDANCY=copies=2.",
    _storage_class,
    repeatable=True,
)
REPAIR_AFTER = Setting(
    "repair-after",
    "Rebuild elsewhere what a node held once it has been silent for this many seconds.",
    values.seconds,
    "600",
)
REPAIR_RATE = Setting(
    "repair-rate",
    "Bytes a second that repairs and moves may read, such as 50M; 0 for any.",
    _rate,
    "100M",
)
CENSUS_EVERY = Setting(
    "census-every",
    "Count all fragments on all disks this many seconds after the last time.",
    values.seconds,
    "21600",
)
VERIFY_DAYS = Setting(
    "verify-days",
    "Complain of what nobody has read back for this many days.",
    _days,
    "30",
)
COLLECT_AFTER = Setting(
    "collect-after",
    "Seconds for which bytes that nothing refers to any more are kept.",
    values.seconds,
    "86400",
)
STRAY_GRACE = Setting(
    "stray-grace",
    "Seconds for which fragments that no object needs are kept in quarantine.",
    values.seconds,
    "86400",
)
SCRUB_DAYS = Setting(
    "scrub-days",
    "Read every byte of every disk again within this many days.",
    _days,
    "14",
)
SCRUB_RATE = Setting(
    "scrub-rate",
    "Bytes a second that this may read of each disk at most, such as 20M; 0 for any.",
    _rate,
    "20M",
)

# of servers that clients talk to, and of those that own disks
SETTINGS = (
    STORAGE_CLASS,
    REPAIR_AFTER,
    REPAIR_RATE,
    CENSUS_EVERY,
    VERIFY_DAYS,
    COLLECT_AFTER,
    STRAY_GRACE,
)
OF_DISKS = (SCRUB_DAYS, SCRUB_RATE)


@frozen
class UpkeepSettings:
    """
    What the person who starts a server decided.  Times in seconds.

    `classes`: storage class -> policy.  `repair_rate` is in bytes a second, 0 for any.
    """

    classes: Mapping[str, str]
    repair_after: float
    repair_rate: float
    census_every: float
    verify_within: float
    collect_after: float
    stray_grace: float


@frozen
class ScrubSettings:
    """How fast disks are read again: within so many seconds, at so many bytes a second."""

    within: float
    rate: float


def upkeep_settings(options: Any) -> UpkeepSettings:
    """
    The record of these options.

    Raises:
        SettingError: a storage class is given twice.
    """
    classes: dict[str, str] = {}
    for name, policy in options["storage-class"]:
        if name in classes:
            raise SettingError(f"--storage-class: {name} is given twice")
        classes[name] = policy
    return UpkeepSettings(
        classes=classes,
        repair_after=options["repair-after"],
        repair_rate=options["repair-rate"],
        census_every=options["census-every"],
        verify_within=options["verify-days"],
        collect_after=options["collect-after"],
        stray_grace=options["stray-grace"],
    )


def scrub_settings(options: Any) -> ScrubSettings:
    """The record of these options."""
    return ScrubSettings(options["scrub-days"], options["scrub-rate"])
