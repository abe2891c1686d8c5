"""Web Bluetooth without a radio: Chromium's emulated air, with a real agent behind the service.

The emulation has no way to notify. So the page's `startNotifications` also reads the characteristic
again and again, each read ends when the agent has a fragment, and Chromium tells the page of it as
of any notification.
"""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

from ble_agent.radio.port import RadioLost, Refused
from schema.gatt import COMMAND_UUID, HELLO_UUID, RESULT_UUID, SERVICE_UUID, lid_tag

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from playwright.async_api import Browser, CDPSession, Page

    from ble_agent.radio.loopback import LoopbackPhone
    from tests.ble_agent.standing import Standing

ADDRESS = "09:09:09:09:09:09"
WITH_BLUETOOTH = "--enable-features=WebBluetooth"
NOTIFY_DESCRIPTOR = "00002902-0000-1000-8000-00805f9b34fb"
UNLIKELY_ERROR = 0x0E

CHARACTERISTICS = {
    HELLO_UUID: {"read": True},
    COMMAND_UUID: {"write": True},
    RESULT_UUID: {"read": True, "notify": True},
}

LONG_POLL = """(() => {
  const made = BluetoothRemoteGATTCharacteristic.prototype;
  const { startNotifications, stopNotifications, readValue } = made;
  const heard = new WeakSet();
  made.startNotifications = async function () {
    await startNotifications.call(this);
    if (heard.has(this)) return this;
    heard.add(this);
    (async () => {
      while (heard.has(this)) {
        try { await readValue.call(this); } catch { heard.delete(this); }
      }
    })();
    return this;
  };
  made.stopNotifications = async function () {
    heard.delete(this);
    return stopNotifications.call(this);
  };
})();"""


class Air:
    """What one browser finds around it: one locker, which it is connected to when it asks."""

    def __init__(self, standing: Standing) -> None:
        self.standing = standing
        self.visits = 0
        self._phone: LoopbackPhone | None = None
        self._uuids: dict[str, str] = {}
        self._answered: set[str] = set()
        self._running: set[asyncio.Task[None]] = set()

    async def surround(self, browser: Browser, page: Page) -> None:
        """From now on the page's chooser finds the locker and picks it."""
        self._air = await browser.new_browser_cdp_session()
        chooser = await page.context.new_cdp_session(page)
        self._listen(self._air, "BluetoothEmulation.gattOperationReceived", self._on_link)
        self._listen(
            self._air, "BluetoothEmulation.characteristicOperationReceived", self._on_value
        )

        async def choose(event: dict[str, Any]) -> None:
            if not any(device["id"] == ADDRESS for device in event["devices"]):
                return
            if event["id"] not in self._answered:  # whoever answers twice ends the browser
                self._answered.add(event["id"])
                choice = {"id": event["id"], "deviceId": ADDRESS}
                await chooser.send("DeviceAccess.selectPrompt", choice)

        self._listen(chooser, "DeviceAccess.deviceRequestPrompted", choose)
        powered = {"state": "powered-on", "leSupported": True}
        await self._air.send("BluetoothEmulation.enable", powered)
        await chooser.send("DeviceAccess.enable")
        tag = base64.b64encode(lid_tag(self.standing.lid)).decode()
        await self._air.send(
            "BluetoothEmulation.simulatePreconnectedPeripheral",
            {
                "address": ADDRESS,
                "name": "locker",
                "manufacturerData": [{"key": 0xFFFF, "data": tag}],
                "knownServiceUuids": [SERVICE_UUID],
            },
        )

    def _listen(
        self, source: CDPSession, event: str, react: Callable[[dict[str, Any]], Awaitable[None]]
    ) -> None:
        async def carry_out(told: dict[str, Any]) -> None:
            await react(told)

        def begin(told: dict[str, Any]) -> None:
            task = asyncio.create_task(carry_out(told))
            self._running.add(task)
            task.add_done_callback(self._finish)

        source.on(event, begin)

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.result()

    async def _on_link(self, event: dict[str, Any]) -> None:
        if event["type"] == "connection":
            self._phone = await self.standing.radio.connect()
            self.visits += 1
            await self._offer()
        elif self._phone is not None and event["type"] == "disconnection":
            await self._phone.leave()
        answer = {"address": event["address"], "type": event["type"], "code": 0}
        await self._air.send("BluetoothEmulation.simulateGATTOperationResponse", answer)

    async def _offer(self) -> None:
        """The service, which the emulation wants anew for each connection."""
        self._uuids.clear()
        service = await self._air.send(
            "BluetoothEmulation.addService", {"address": ADDRESS, "serviceUuid": SERVICE_UUID}
        )
        for uuid, properties in CHARACTERISTICS.items():
            made = await self._air.send(
                "BluetoothEmulation.addCharacteristic",
                {
                    "serviceId": service["serviceId"],
                    "characteristicUuid": uuid,
                    "properties": properties,
                },
            )
            self._uuids[made["characteristicId"]] = uuid
            if "notify" in properties:
                await self._air.send(
                    "BluetoothEmulation.addDescriptor",
                    {
                        "characteristicId": made["characteristicId"],
                        "descriptorUuid": NOTIFY_DESCRIPTOR,
                    },
                )

    async def _on_value(self, event: dict[str, Any]) -> None:
        answer: dict[str, Any] = {
            "characteristicId": event["characteristicId"],
            "type": event["type"],
            "code": 0,
        }
        try:
            value = await self._exchange(self._uuids[event["characteristicId"]], event)
            if value is not None:
                answer["data"] = base64.b64encode(value).decode()
        except Refused as refusal:
            answer["code"] = int(refusal.att_error)
        except RadioLost:
            answer["code"] = UNLIKELY_ERROR
        await self._air.send("BluetoothEmulation.simulateCharacteristicOperationResponse", answer)

    async def _exchange(self, uuid: str, event: dict[str, Any]) -> bytes | None:
        assert self._phone is not None
        match event["type"], uuid:
            case "write", _:
                await self._phone.write(base64.b64decode(event["data"]))
                return None
            case "read", _ if uuid == HELLO_UUID:
                return await self._phone.read_hello()
            case "read", _:
                return await self._phone.next_fragment()
            case _:
                return None
