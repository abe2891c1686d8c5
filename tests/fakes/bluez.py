"""BlueZ as far as our radio meets it, on a private bus: adapter, managers, devices, ATT errors.

What it does was seen on BlueZ 5.66: notifications go to every subscriber, long writes arrive
whole, an error's name and text decide the ATT error.
"""

# No postponed annotations here: dbus-fast reads a postponed None as an unknown type.

import asyncio
import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from dbus_fast import DBusError, Message, MessageType, PropertyAccess, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusBool, DBusDict, DBusObjectPath
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property

from ble_agent.radio.bluez import BluezRadio
from ble_agent.radio.port import Refused
from schema.gatt import COMMAND_UUID, HELLO_UUID, RESULT_UUID, AttError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ADAPTER_PATH = "/org/bluez/hci0"
DBUS_DAEMON = shutil.which("dbus-daemon")

_NAMED_ERRORS = {
    "org.bluez.Error.NotPermitted": 0x03,
    "org.bluez.Error.NotAuthorized": 0x08,
    "org.bluez.Error.InvalidValueLength": 0x0D,
    "org.bluez.Error.NotSupported": 0x06,
    "org.bluez.Error.InProgress": 0xFE,
}
_CONFIG = """<busconfig>
  <type>session</type>
  <listen>unix:dir={folder}</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


class AttFailure(Exception):
    """An ATT error that is none of ours."""

    def __init__(self, code: int) -> None:
        super().__init__(hex(code))
        self.code = code


@asynccontextmanager
async def open_bus(folder: "Path") -> "AsyncIterator[str]":
    """A message bus for one test; gives its address."""
    assert DBUS_DAEMON is not None
    config = folder / "bus.conf"
    config.write_text(_CONFIG.format(folder=folder), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        DBUS_DAEMON,
        f"--config-file={config}",
        "--nofork",
        "--print-address",
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.terminate()
        await process.wait()


class _Adapter(ServiceInterface):
    def __init__(self) -> None:
        super().__init__("org.bluez.Adapter1")

    @dbus_property(PropertyAccess.READ, "Powered")
    def powered(self) -> DBusBool:
        return True


class _GattManager(ServiceInterface):
    def __init__(self, bluez: "MockBluez") -> None:
        super().__init__("org.bluez.GattManager1")
        self._bluez = bluez

    @dbus_method("RegisterApplication")
    async def register_application(self, path: DBusObjectPath, _: DBusDict) -> None:
        await self._bluez.register(path)
        self._bluez.registered.set()

    @dbus_method("UnregisterApplication")
    def unregister_application(self, path: DBusObjectPath) -> None:
        self._bluez.characteristics.clear()


class _AdvertisingManager(ServiceInterface):
    def __init__(self, bluez: "MockBluez") -> None:
        super().__init__("org.bluez.LEAdvertisingManager1")
        self._bluez = bluez

    @dbus_method("RegisterAdvertisement")
    async def register_advertisement(self, path: DBusObjectPath, _: DBusDict) -> None:
        if self._bluez.advertisement is not None:
            raise DBusError("org.bluez.Error.AlreadyExists", "advertised already")
        call = self._bluez.call(
            path, "org.freedesktop.DBus.Properties", "GetAll", "s", "org.bluez.LEAdvertisement1"
        )
        [properties] = await call
        self._bluez.advertisement = {name: value.value for name, value in properties.items()}
        self._bluez.advertised.set()

    @dbus_method("UnregisterAdvertisement")
    def unregister_advertisement(self, path: DBusObjectPath) -> None:
        if self._bluez.advertisement is None:
            raise DBusError("org.bluez.Error.DoesNotExist", "not advertised")
        self._bluez.advertisement = None
        self._bluez.advertised.clear()


class _Device(ServiceInterface):
    def __init__(self, phone: "MockPhone") -> None:
        super().__init__("org.bluez.Device1")
        self._phone = phone
        self._connected = False

    @dbus_property(PropertyAccess.READ, "Connected")
    def connected(self) -> DBusBool:
        return self._connected

    @dbus_method("Disconnect")
    def disconnect(self) -> None:
        self._phone.cut()

    def change(self, *, connected: bool) -> None:
        self._connected = connected
        self.emit_properties_changed({"Connected": connected})


class MockPhone:
    """A phone connected to the mock's adapter."""

    def __init__(self, bluez: "MockBluez", path: str, mtu: int) -> None:
        self.path = path
        self.fragment_size = min(mtu - 3, 512)
        self.gone = asyncio.Event()
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.device = _Device(self)
        self._bluez = bluez
        self._mtu = mtu

    async def read_hello(self) -> bytes:
        return await self._read_long(HELLO_UUID)

    async def read_result(self) -> bytes:
        return await self._read_long(RESULT_UUID)

    async def write(self, fragment: bytes) -> None:
        await self.write_to(COMMAND_UUID, fragment)

    async def write_to(self, uuid: str, fragment: bytes) -> None:
        options = self._options() | {"type": Variant("s", "request")}
        await self._ask(uuid, "WriteValue", "aya{sv}", fragment, options)

    async def read_from(self, uuid: str, offset: int) -> bytes:
        options = self._options() | {"offset": Variant("q", offset)}
        [value] = await self._ask(uuid, "ReadValue", "a{sv}", options)
        return bytes(value)[: self._mtu - 1]

    async def next_fragment(self) -> bytes:
        return await self.heard.get()

    async def leave(self) -> None:
        self.cut()

    def cut(self) -> None:
        """The connection ends, whoever wanted it."""
        if not self.gone.is_set():
            self.gone.set()
            self.device.change(connected=False)
            self._bluez.phones.remove(self)

    def hear(self, value: bytes) -> None:
        self.heard.put_nowait(value[: self._mtu - 3])

    def _options(self) -> dict[str, Variant]:
        # The real one says 517 whatever was agreed.
        return {"device": Variant("o", self.path), "mtu": Variant("q", 517)}

    async def _read_long(self, uuid: str) -> bytes:
        value = b""
        while True:
            part = await self.read_from(uuid, len(value))
            value += part
            if len(part) < self._mtu - 1:
                return value

    async def _ask(self, uuid: str, member: str, signature: str, *body: object) -> list[Any]:
        path = self._bluez.characteristics[uuid]
        try:
            return await self._bluez.call(
                path, "org.bluez.GattCharacteristic1", member, signature, *body
            )
        except DBusError as error:
            code = _att_code(error)
            if code in list(AttError):
                raise Refused(AttError(code)) from error
            raise AttFailure(code) from error


class MockBluez:
    """The daemon: one adapter, and whoever registers with it."""

    def __init__(self, address: str) -> None:
        self.characteristics: dict[str, str] = {}
        self.advertisement: dict[str, Any] | None = None
        self.phones: list[MockPhone] = []
        self.powered = False
        self.flags: dict[str, list[str]] = {}
        self.registered = asyncio.Event()
        self.advertised = asyncio.Event()
        self.client = ""
        self._address = address
        self._bus: MessageBus | None = None
        self._adapter = [_Adapter(), _GattManager(self), _AdvertisingManager(self)]
        self._count = 0

    @property
    def is_running(self) -> bool:
        return self._bus is not None

    @property
    def bus(self) -> MessageBus:
        assert self._bus is not None
        return self._bus

    async def start(self, *, with_adapter: bool = True) -> None:
        self._bus = await MessageBus(bus_address=self._address).connect()
        self._bus.add_message_handler(self._on_message)
        await self._bus.request_name("org.bluez")
        if with_adapter:
            self.plug_adapter()

    async def stop(self) -> None:
        """End as a killed daemon does: no word to anybody."""
        self._forget()
        bus, self._bus = self.bus, None
        bus.disconnect()
        await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]

    def plug_adapter(self) -> None:
        for interface in self._adapter:
            self.bus.export(ADAPTER_PATH, interface)

    def pull_adapter(self) -> None:
        self._forget()
        self.bus.unexport(ADAPTER_PATH)

    def connect_phone(self, mtu: int, adapter_path: str = ADAPTER_PATH) -> MockPhone:
        self._count += 1
        phone = MockPhone(self, f"{adapter_path}/dev_F0_F1_F2_F3_F4_{self._count:02X}", mtu)
        self.bus.export(phone.path, phone.device)
        self.phones.append(phone)
        phone.device.change(connected=True)
        return phone

    async def register(self, path: str) -> None:
        """Read the application's objects, as BlueZ does before it answers."""
        [objects] = await self.call(
            path, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", ""
        )
        for place, interfaces in objects.items():
            properties = interfaces.get("org.bluez.GattCharacteristic1")
            if properties is not None:
                uuid = properties["UUID"].value
                self.characteristics[uuid] = place
                self.flags[uuid] = properties["Flags"].value
        await self.bus.call(
            Message(
                destination="org.freedesktop.DBus",
                path="/org/freedesktop/DBus",
                interface="org.freedesktop.DBus",
                member="AddMatch",
                signature="s",
                body=[f"type='signal',sender='{self.client}',member='PropertiesChanged'"],
            )
        )

    async def call(
        self, path: str, interface: str, member: str, signature: str, *body: object
    ) -> list[Any]:
        """Call the application that has registered."""
        message = Message(
            destination=self.client,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
        )
        reply = await self.bus.call(message)
        if reply.message_type is MessageType.ERROR:
            raise DBusError(str(reply.error_name), str(reply.body[0]))
        return list(reply.body)

    def _forget(self) -> None:
        for phone in list(self.phones):
            phone.gone.set()
            self.phones.remove(phone)
        self.characteristics.clear()
        self.advertisement = None
        self.registered.clear()
        self.advertised.clear()

    def _on_message(self, message: Message) -> Message | None:
        if message.path == ADAPTER_PATH and message.member == "Set":
            self.powered = message.body[1:] == ["Powered", Variant("b", True)]
            return Message.new_method_return(message)
        if message.member == "RegisterApplication":
            self.client = str(message.sender)
        elif message.member == "PropertiesChanged" and message.sender == self.client:
            changed = message.body[1]
            if message.path == self.characteristics.get(RESULT_UUID) and "Value" in changed:
                for phone in self.phones:
                    phone.hear(bytes(changed["Value"].value))
        return None


class BluezAir:
    """The radio on the mock."""

    def __init__(self, bluez: "MockBluez", address: str) -> None:
        self.bluez = bluez
        self.radio = BluezRadio(bus_address=address, return_s=0.0)

    async def phone(self, mtu: int = 517) -> MockPhone:
        await self.until_advertised(True)
        return self.bluez.connect_phone(mtu)

    async def until_advertised(self, on: bool) -> None:
        assert (self.bluez.advertisement is not None) is on

    async def take_away(self) -> None:
        self.bluez.pull_adapter()

    async def bring_back(self) -> None:
        self.bluez.plug_adapter()


@asynccontextmanager
async def open_bluez_air(folder: "Path") -> "AsyncIterator[BluezAir]":
    async with open_bus(folder) as address:
        bluez = MockBluez(address)
        await bluez.start()
        air = BluezAir(bluez, address)
        yield air
        await air.radio.stop()
        await bluez.stop()


def _att_code(error: DBusError) -> int:
    if error.type == "org.bluez.Error.Failed":
        return int(error.text, 16) if error.text.startswith("0x") else 0x80
    return _NAMED_ERRORS.get(str(error.type), 0x0E)
