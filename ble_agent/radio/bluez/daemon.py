"""bluetoothd as seen over D-Bus: calls to one adapter, and what happens to it and its phones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from dbus_fast import DBusError, Message, MessageType, Variant
from dbus_fast.errors import DBusFastError

from ble_agent.radio.bluez.objects import ADVERTISEMENT_PATH, ROOT_PATH
from ble_agent.radio.port import RadioLost

if TYPE_CHECKING:
    from dbus_fast.aio import MessageBus

_BLUEZ: Final = "org.bluez"
_ADAPTER: Final = "org.bluez.Adapter1"
_DEVICE: Final = "org.bluez.Device1"
_GATT_MANAGER: Final = "org.bluez.GattManager1"
_ADVERTISING_MANAGER: Final = "org.bluez.LEAdvertisingManager1"
_BUS: Final = "org.freedesktop.DBus"
_BUS_PATH: Final = "/org/freedesktop/DBus"
_OBJECTS: Final = "org.freedesktop.DBus.ObjectManager"
_PROPERTIES: Final = "org.freedesktop.DBus.Properties"
_RULES: Final = (
    f"type='signal',sender='{_BLUEZ}',interface='{_PROPERTIES}',path_namespace='/org/bluez'",
    f"type='signal',sender='{_BLUEZ}',interface='{_OBJECTS}'",
    f"type='signal',sender='{_BUS}',member='NameOwnerChanged',arg0='{_BLUEZ}'",
)


class Events(Protocol):
    """Who is told what happens; called on the event loop's thread."""

    def on_away(self) -> None:
        """The daemon or our adapter has gone, and all registrations and connections with it."""

    def on_back(self) -> None:
        """The adapter is there, or usable again."""

    def on_device(self, path: str, *, connected: bool) -> None:
        """A device of our adapter has connected or disconnected."""


class Daemon:
    """Calls on one adapter; each raises DBusError when refused, RadioLost without a bus."""

    def __init__(self, bus: MessageBus, adapter: str, events: Events) -> None:
        self._bus = bus
        self._path = f"/org/bluez/{adapter}"
        self._events = events
        self._owner = ""

    async def listen(self) -> None:
        """Begin to report events. Raises DBusError when no daemon is running."""
        self._bus.add_message_handler(self._on_message)
        for rule in _RULES:
            await self._call(_BUS, _BUS_PATH, f"{_BUS}.AddMatch", "s", rule)
        [self._owner] = await self._call(_BUS, _BUS_PATH, f"{_BUS}.GetNameOwner", "s", _BLUEZ)

    async def power(self) -> None:
        """Switch the adapter on."""
        switch = (_ADAPTER, "Powered", Variant("b", True))
        await self._call(_BLUEZ, self._path, f"{_PROPERTIES}.Set", "ssv", *switch)

    async def register_application(self) -> None:
        """Offer our service; BlueZ reads all objects before it answers."""
        member = f"{_GATT_MANAGER}.RegisterApplication"
        await self._call(_BLUEZ, self._path, member, "oa{sv}", ROOT_PATH, {})

    async def unregister_application(self) -> None:
        """Take our service back; connections stay."""
        member = f"{_GATT_MANAGER}.UnregisterApplication"
        await self._call(_BLUEZ, self._path, member, "o", ROOT_PATH)

    async def register_advertisement(self) -> None:
        """Be found."""
        member = f"{_ADVERTISING_MANAGER}.RegisterAdvertisement"
        await self._call(_BLUEZ, self._path, member, "oa{sv}", ADVERTISEMENT_PATH, {})

    async def unregister_advertisement(self) -> None:
        """Be found no more."""
        member = f"{_ADVERTISING_MANAGER}.UnregisterAdvertisement"
        await self._call(_BLUEZ, self._path, member, "o", ADVERTISEMENT_PATH)

    async def disconnect(self, device_path: str) -> None:
        """Begin to end the connection of a device; the event says when it has ended."""
        await self._call(_BLUEZ, device_path, f"{_DEVICE}.Disconnect", "")

    async def _call(
        self, destination: str, path: str, member: str, signature: str, *body: object
    ) -> list[Any]:
        interface, _, name = member.rpartition(".")
        message = Message(
            destination=destination,
            path=path,
            interface=interface,
            member=name,
            signature=signature,
            body=list(body),
        )
        try:
            reply = await self._bus.call(message)
        except (OSError, EOFError, DBusFastError) as error:
            raise RadioLost(f"the D-Bus connection is gone: {error}") from error
        if reply.message_type is MessageType.ERROR:
            raise DBusError(str(reply.error_name), " ".join(map(str, reply.body)))
        return list(reply.body)

    def _on_message(self, message: Message) -> None:
        if message.message_type is not MessageType.SIGNAL:
            return
        if message.sender == _BUS and message.member == "NameOwnerChanged":
            self._on_owner(*message.body)
        elif message.sender == self._owner:  # any account of the machine can send signals
            self._on_signal(message)

    def _on_owner(self, name: str, _: str, owner: str) -> None:
        if name == _BLUEZ:
            self._owner = owner
            self._events.on_away()
            if owner:  # its adapter may have been announced before its name
                self._events.on_back()

    def _on_signal(self, message: Message) -> None:
        match message.member, message.body:
            case "PropertiesChanged", [str(interface), dict(changed), _]:
                self._on_changed(str(message.path), interface, changed)
            case "InterfacesAdded", [str(path), dict(interfaces)]:
                if path == self._path and _GATT_MANAGER in interfaces:
                    self._events.on_back()
                else:
                    self._on_changed(path, _DEVICE, interfaces.get(_DEVICE, {}))
            case "InterfacesRemoved", [str(path), list(interfaces)]:
                if path == self._path and _ADAPTER in interfaces:
                    self._events.on_away()
                elif self._is_device(path) and _DEVICE in interfaces:
                    self._events.on_device(path, connected=False)
            case _:
                pass

    def _on_changed(self, path: str, interface: str, changed: dict[str, Variant]) -> None:
        if interface == _ADAPTER and path == self._path:
            if "Powered" in changed and changed["Powered"].value:
                self._events.on_back()
        elif interface == _DEVICE and self._is_device(path) and "Connected" in changed:
            self._events.on_device(path, connected=bool(changed["Connected"].value))

    def _is_device(self, path: str) -> bool:
        return path.startswith(self._path + "/dev_")
