"""What the enums of parcels mean, told to clients."""

from __future__ import annotations

from server.kit.graph import described
from server.parcels.service.waiting import Objection
from server.parcels.states import Authority, ParcelState, Party
from server.parcels.tables import Assurance, EvidenceKind, HoldEnded, LocationKind, PauseCause

described(
    ParcelState,
    description="Where a parcel stands; the place is told by its location.",
    members={
        ParcelState.ANNOUNCED: "A carrier has told us of it.",
        ParcelState.AWAITING_DROPOFF: "A sender is to bring it to a locker.",
        ParcelState.DROPPED_OFF: "The sender put it into a compartment.",
        ParcelState.IN_TRANSIT: "A carrier has it.",
        ParcelState.OUT_FOR_DELIVERY: "A courier has it on board.",
        ParcelState.DEPOSITED: "In a compartment; the recipient has not been told yet.",
        ParcelState.READY_FOR_PICKUP: "The recipient was told, and the time to collect runs.",
        ParcelState.COLLECTING: "The door was unlocked for its holder.",
        ParcelState.COLLECTED: "Taken out by its holder, on evidence.",
        ParcelState.EXPIRED: "The time to collect is over; it is still there.",
        ParcelState.AT_HUB: "Behind the counter of a hub.",
        ParcelState.RETURNING: "On its way back.",
        ParcelState.RETURNED: "Back with its sender.",
        ParcelState.ON_HOLD: "Something is wrong; a person decides.",
        ParcelState.DISPUTED: "Somebody says that the collection was not theirs or not whole.",
        ParcelState.LOST: "Given up by two persons.",
        ParcelState.DISPOSED: "Spoiled and thrown away.",
        ParcelState.CANCELLED: "Called off before anybody had it.",
    },
)
described(
    Party,
    description="Who caused something.",
    members={
        Party.SRV: "A rule or timer of the server.",
        Party.AGT: "A fact of the locker.",
        Party.REC: "The recipient.",
        Party.DEL: "Somebody the recipient shared the parcel with.",
        Party.SND: "The sender.",
        Party.COU: "A courier.",
        Party.CAR: "A carrier's system.",
        Party.STA: "Staff of a hub.",
        Party.TEC: "A technician.",
        Party.OPR: "The operator of the network.",
    },
)
described(
    Authority,
    description="What stands behind a line of history.",
    members={
        Authority.INTENT: "Somebody or a rule wanted it, and the server said so.",
        Authority.FACT: "A locker observed it and signed.",
    },
)
described(
    LocationKind,
    description="What kind of place a parcel is at or goes to.",
    members={
        LocationKind.PLANNED: "The hub that was chosen for it.",
        LocationKind.TEMPORARY: "Another locker, until there is room.",
        LocationKind.HUB_COUNTER: "Behind the counter of its hub.",
    },
)
described(
    HoldEnded,
    description="Why nobody can collect the parcel any more.",
    members={
        HoldEnded.DEADLINE: "The time was over.",
        HoldEnded.REFUSED: "The recipient did not want it.",
        HoldEnded.POLICY: "A rule of the network said so.",
    },
)
described(
    PauseCause,
    description="Why the time to collect does not run.",
    members={
        PauseCause.LOCKER_FAULT: "The locker is broken.",
        PauseCause.LOCKER_STALE: "The locker has not been heard of for long.",
        PauseCause.DOOR_UNKNOWN: "Nobody knows whether the door is shut.",
        PauseCause.HUB_CLOSED: "The hub is closed, unplanned.",
        PauseCause.OUTAGE: "The service is down.",
        PauseCause.NOTICE_UNDELIVERED: "The recipient could not be told.",
        PauseCause.INCIDENT: "Something is being looked into.",
        PauseCause.DISPUTE: "Somebody disputes what happened.",
        PauseCause.TRANSFER: "It is being moved.",
    },
)
described(
    EvidenceKind,
    description="What says that a parcel's time must not run.",
    members={
        EvidenceKind.JOURNAL: "An entry that a locker wrote and signed.",
        EvidenceKind.INCIDENT: "Something that somebody looks into.",
        EvidenceKind.CLOSURE: "A closure of the hub that nobody had planned.",
        EvidenceKind.OUTAGE: "A span without a sign of life of the service.",
        EvidenceKind.NOTICE: "The fate of the notice that nobody took.",
        EvidenceKind.DECISION: "Somebody's word, which is in the parcel's history.",
    },
)
described(
    Assurance,
    description="How sure it is that the holder took the parcel.",
    members={
        Assurance.A: "The holder's key signed, and the sensor saw it full before, empty after.",
        Assurance.B: "The holder's key signed; there was no sensor, and no objection.",
        Assurance.C: "By somebody else's word: a pass, a counter, a resolution.",
    },
)
described(
    Objection,
    description="What the holder says is wrong with what they found.",
    members={
        Objection.EMPTY: "Nothing was inside.",
        Objection.NOT_MINE: "Something else was inside.",
        Objection.DAMAGED: "It was broken.",
    },
)
