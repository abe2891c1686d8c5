"""What BlueZ asks of us on D-Bus: one service, three characteristics, one advertisement.

Each object answers for itself; who a phone is and what it may do comes from outside.
"""

# No postponed annotations here: dbus-fast reads a postponed None as an unknown type.

from typing import TYPE_CHECKING, Annotated, Final

from dbus_fast import DBusError, PropertyAccess, Variant
from dbus_fast.annotations import (
    DBusBool,
    DBusBytes,
    DBusDict,
    DBusObjectPath,
    DBusSignature,
    DBusStr,
)
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property

from ble_agent.radio.port import Refused
from schema.gatt import (
    COMMAND_UUID,
    COMPANY_ID,
    HELLO_UUID,
    RESULT_UUID,
    SERVICE_UUID,
    lid_tag,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ROOT_PATH: Final = "/restante"
SERVICE_PATH: Final = ROOT_PATH + "/service"
ADVERTISEMENT_PATH: Final = "/restante_advertisement"
"""Beside the root: BlueZ takes all that stands below the root for attributes."""

_READ: Final = PropertyAccess.READ
_NOT_PERMITTED: Final = "org.bluez.Error.NotPermitted"
_FAILED: Final = "org.bluez.Error.Failed"

Strings = Annotated[list[str], DBusSignature("as")]
MakerData = Annotated[dict[int, Variant], DBusSignature("a{qv}")]


class GattService(ServiceInterface):
    """The one primary service."""

    def __init__(self) -> None:
        super().__init__("org.bluez.GattService1")

    @dbus_property(_READ, "UUID")
    def uuid(self) -> DBusStr:
        """Which service phones look for."""
        return SERVICE_UUID

    @dbus_property(_READ, "Primary")
    def primary(self) -> DBusBool:
        """Say that it stands for itself, not included by another."""
        return True


class Characteristic(ServiceInterface):
    """A characteristic whose readings and writings are answered elsewhere.

    Only `write` may be among the flags, never with `write-without-response`: BlueZ would then
    tell the phone that all went well, whatever we raise.
    """

    def __init__(self, uuid: str, flags: list[str]) -> None:
        super().__init__("org.bluez.GattCharacteristic1")
        self.path = f"{SERVICE_PATH}/characteristic{uuid[-1]}"
        self._uuid = uuid
        self._flags = flags
        self.on_read: Callable[[str, int], bytes] | None = None
        self.on_write: Callable[[str, bytes], Awaitable[None]] | None = None

    @dbus_property(_READ, "UUID")
    def uuid(self) -> DBusStr:
        """Which of the three this is."""
        return self._uuid

    @dbus_property(_READ, "Service")
    def service(self) -> DBusObjectPath:
        """Where its service is exported."""
        return SERVICE_PATH

    @dbus_property(_READ, "Flags")
    def flags(self) -> Strings:
        """What phones may do with it, in the words of BlueZ."""
        return self._flags

    @dbus_property(_READ, "Value")
    def value(self) -> DBusBytes:
        """Nothing: only the signal of a change carries a value, which is a notification."""
        return b""

    @dbus_method("ReadValue")
    def read_value(self, options: DBusDict) -> DBusBytes:
        """Answer one ATT read; a long one comes piece by piece, each with its offset."""
        if self.on_read is None:
            raise DBusError(_NOT_PERMITTED, "not for reading")
        offset = options.get("offset")
        try:
            return self.on_read(_device(options), 0 if offset is None else offset.value)
        except Refused as refusal:
            raise _as_att_error(refusal) from refusal

    @dbus_method("WriteValue")
    async def write_value(self, value: DBusBytes, options: DBusDict) -> None:
        """Answer one ATT write; a long one comes whole."""
        if self.on_write is None:
            raise DBusError(_NOT_PERMITTED, "not for writing")
        try:
            await self.on_write(_device(options), bytes(value))
        except Refused as refusal:
            raise _as_att_error(refusal) from refusal

    @dbus_method("StartNotify")
    def start_notify(self) -> None:
        """BlueZ keeps the subscribers."""

    @dbus_method("StopNotify")
    def stop_notify(self) -> None:
        """BlueZ keeps the subscribers."""

    def notify(self, value: bytes) -> None:
        """Send a notification to every phone that has subscribed; BlueZ knows no other kind."""
        self.emit_properties_changed({"Value": value})


class Advertisement(ServiceInterface):
    """What is advertised while it is registered."""

    def __init__(self, lid: bytes) -> None:
        super().__init__("org.bluez.LEAdvertisement1")
        self._tag = lid_tag(lid)

    @dbus_property(_READ, "Type")
    def kind(self) -> DBusStr:
        """Connectable, where "broadcast" would not be."""
        return "peripheral"

    @dbus_property(_READ, "ServiceUUIDs")
    def service_uuids(self) -> Strings:
        """What phones filter by; BlueZ advertises it as the complete list."""
        return [SERVICE_UUID]

    @dbus_property(_READ, "ManufacturerData")
    def manufacturer_data(self) -> MakerData:
        """The tag by which a phone tells this locker from the next one."""
        return {COMPANY_ID: Variant("ay", self._tag)}

    @dbus_property(_READ, "Discoverable")
    def discoverable(self) -> DBusBool:
        """Ask for the flag "general discoverable", without which phones do not show it."""
        return True

    @dbus_method("Release")
    def release(self) -> None:
        """BlueZ has dropped it; its adapter or itself is going, which other signals tell."""


def make_hello() -> Characteristic:
    """Return the characteristic that phones read first."""
    return Characteristic(HELLO_UUID, ["read"])


def make_command() -> Characteristic:
    """Return the characteristic that phones write to."""
    return Characteristic(COMMAND_UUID, ["write"])


def make_result() -> Characteristic:
    """Return the characteristic that answers."""
    return Characteristic(RESULT_UUID, ["read", "notify"])


def _device(options: dict[str, Variant]) -> str:
    device = options.get("device")
    if device is None or not isinstance(device.value, str):
        raise DBusError(_NOT_PERMITTED, "only for phones")
    return device.value


def _as_att_error(refusal: Refused) -> DBusError:
    # BlueZ turns exactly this name with a hexadecimal text into the ATT error of that number.
    return DBusError(_FAILED, f"0x{refusal.att_error:02x}")
