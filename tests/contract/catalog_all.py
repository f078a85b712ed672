"""All that every catalog promises."""

from __future__ import annotations

from tests.contract.catalog import CatalogContract
from tests.contract.catalog_amends import AmendsContract
from tests.contract.catalog_backup import BackupContract
from tests.contract.catalog_events import EventsContract
from tests.contract.catalog_settings import SettingsContract
from tests.contract.catalog_upkeep import UpkeepContract
from tests.contract.catalog_uploads import UploadsContract
from tests.contract.catalog_users import UsersContract


class WholeCatalogContract(
    SettingsContract,
    AmendsContract,
    UploadsContract,
    UpkeepContract,
    BackupContract,
    EventsContract,
    UsersContract,
    CatalogContract,
):
    """See the module; a test module defines a fixture `items`, as for each of them."""
