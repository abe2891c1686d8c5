"""Bumble's device and attribute server, made strict enough for strangers.

Knows ATT and nothing of lockers: which attributes may be written and read on is set from outside.
"""

from __future__ import annotations

import logging
import struct
from typing import TYPE_CHECKING, Final

from bumble import att, gatt_server, hci, pairing
from bumble.core import BaseBumbleError
from bumble.device import Connection, Device, DeviceConfiguration

if TYPE_CHECKING:
    from collections.abc import Callable

    from bumble.host import Host

log = logging.getLogger(__name__)

ADVERTISING_INTERVAL_MS: Final = 100.0
"""A phone that scans half the time sees the locker within two or three of these."""
COMMAND_TIMEOUT_S: Final = 5.0
"""A controller that leaves a command unanswered this long is gone."""
_MALFORMED: Final = (BaseBumbleError, ValueError, TypeError, IndexError, KeyError, struct.error)


class AttServer(gatt_server.Server):
    """Bumble's server, stricter: offsets reach the listener, only what is writable is written.

    Left alone it would read a value anew for each piece of a long read, let a stranger overwrite
    declarations, and take writes without a response.
    """

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self.long_reads: dict[int, Callable[[Connection, int], bytes]] = {}
        self.writable: set[int] = set()

    def on_gatt_pdu(self, bearer: att.Bearer, att_pdu: att.ATT_PDU) -> None:
        """Answer one request of a phone."""
        match att_pdu:
            case att.ATT_Write_Command() | att.ATT_Signed_Write_Command():
                return
            case att.ATT_Write_Request() | att.ATT_Prepare_Write_Request():
                if att_pdu.attribute_handle not in self.writable:
                    self.refuse(bearer, att_pdu, att.ErrorCode.WRITE_NOT_PERMITTED)
                    return
            case att.ATT_Read_Blob_Request():
                read = self.long_reads.get(att_pdu.attribute_handle)
                if read is not None and isinstance(bearer, Connection):
                    self._read_on(bearer, att_pdu, read)
                    return
            case _:
                pass
        super().on_gatt_pdu(bearer, att_pdu)

    def refuse(self, bearer: att.Bearer, request: att.ATT_PDU, code: int) -> None:
        """Answer a request with an ATT error."""
        answer = att.ATT_Error_Response(
            request_opcode_in_error=request.op_code,
            attribute_handle_in_error=getattr(request, "attribute_handle", 0),
            error_code=code,
        )
        self.send_response(bearer, answer)

    def _read_on(
        self,
        connection: Connection,
        request: att.ATT_Read_Blob_Request,
        read: Callable[[Connection, int], bytes],
    ) -> None:
        try:
            value = read(connection, request.value_offset)
        except att.ATT_Error as error:
            self.refuse(connection, request, error.error_code)
            return
        part = value[: connection.att_mtu - 1]
        self.send_response(connection, att.ATT_Read_Blob_Response(part_attribute_value=part))


class _NoPairing(pairing.PairingDelegate):
    """Turns pairing down: nothing here trusts it, and a stranger's keys would pile up."""

    async def accept(self) -> bool:
        """Turn the pairing down."""
        return False


class LockerDevice(Device):
    """Bumble's device as a peripheral that answers malformed requests instead of falling silent."""

    def __init__(self, host: Host, address: hci.Address) -> None:
        config = DeviceConfiguration(
            name="Restante",
            address=address,
            gap_service_enabled=False,
            gatt_service_enabled=False,
            advertising_interval_min=ADVERTISING_INTERVAL_MS,
            advertising_interval_max=ADVERTISING_INTERVAL_MS,
        )
        super().__init__(config=config, host=host)
        self.command_timeout = COMMAND_TIMEOUT_S
        self.pairing_config_factory = lambda _: pairing.PairingConfig(delegate=_NoPairing())
        self.gatt_server = self.att_server = AttServer(self)
        self.add_default_services(add_gap_service=True, add_gatt_service=False)

    @property
    def supports_le_extended_advertising(self) -> bool:
        """Say no, so that the legacy commands are used throughout; the two must not be mixed."""
        return False

    def on_gatt_pdu(self, connection_handle: int, pdu: bytes) -> None:
        """Parse what a phone sent and have it answered, whatever it is."""
        connection = self.lookup_connection(connection_handle)
        if connection is None or not pdu or pdu[0] & 1:
            return  # odd numbers are answers to a client, which we are not
        try:
            request = att.ATT_PDU.from_bytes(pdu)
        except _MALFORMED:
            request = att.ATT_PDU()
            request.op_code = pdu[0]
            self.att_server.refuse(connection, request, att.ErrorCode.INVALID_PDU)
            return
        try:
            self.att_server.on_gatt_pdu(connection, request)
        except _MALFORMED:
            log.debug("a phone's request of type %#x was out of shape; answered so", pdu[0])
