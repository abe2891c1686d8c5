"""The demo's phones are processes: what they print is an answer, their complaints are failures."""

from __future__ import annotations

import pytest

from server.demo.phones import Phone
from server.demo.processes import ProcessError
from server.demo.supervisor import supervise


def test_phone_answers_from_its_own_wallet() -> None:
    with supervise() as supervisor:
        phone = Phone(supervisor, "recipient@example.org", 1)
        assert phone.act_offline("receipts") == {"receipts": []}
        assert phone.wallet == supervisor.folder / "recipient"
        with pytest.raises(ProcessError, match="nothing is cached for parcel"):
            phone.act_offline("export", "parcel")
        with pytest.raises(ProcessError, match="name the server"):
            phone.act_offline("parcels")
        with pytest.raises(ProcessError, match="no answer from"):
            phone.act_online("parcels")
