"""The story: a parcel goes through a locker while the server is away, and the journal proves it.

Each step asks whoever must know, and is verified or ends the story.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from schema.codes import Code, DoorEvent
from schema.gatt import AttError
from schema.journal import Kind
from schema.tokens import parse_token
from server.demo.asking import check, pick, wait_for
from server.demo.checks import (
    OPENED_AND_FILLED,
    OPENED_AND_TAKEN,
    check_bolts,
    check_discreet,
    check_opened,
    check_refused,
    check_same_journal,
    check_unreachable,
    count_delivered,
    counters,
    find_push,
    find_ready,
)
from server.demo.evidence import (
    find_collection,
    is_key_of,
    is_receipt_for,
    read_entries,
    read_extract,
    read_journal,
)
from server.demo.papers import check_receipt, fetch_receipt
from server.demo.setting import (
    CARRIER_NAME,
    PROBLEM,
    PUSH_TOKEN,
    RECIPIENT,
    set_up,
)

if TYPE_CHECKING:
    from pathlib import Path

    from schema.ids import StayId
    from server.demo.evidence import Line
    from server.demo.setting import Cast, Network
    from server.demo.supervisor import Supervisor
    from server.demo.transcript import Transcript

    Json = dict[str, Any]

TRACKING_NO = "DEMO-000-001"
RECIPIENT_NAME = "The Recipient"
NOTICE_S = 30.0
"""From the envelope to the phone: an event, a grant, another event, and the push endpoint."""

ANNOUNCE = f"""
mutation($parcel: ParcelInput!) {{ announceParcel(parcel: $parcel) {{ __typename
  ... on ParcelPayload {{ parcel {{ id code state }} }} {PROBLEM} }} }}"""

RESERVE = f"""
mutation($parcel: ID!) {{ reserveCompartment(parcel: $parcel) {{ __typename
  ... on ReserveCompartmentPayload {{
    reservation {{ compartment {{ number label sizeClass }} }} }} {PROBLEM} }} }}"""

PROVE = f"""
query($parcel: ID!) {{
  parcel(id: $parcel) {{ state assurance collectedAt }}
  parcelProof(parcelId: $parcel) {{ __typename
    ... on ParcelProof {{ signPublic entries {{ bytes }} }} {PROBLEM} }} }}"""

JOURNAL = """
query($locker: ID!) { journal(lockerId: $locker, first: 100) { edges { node { bytes } } } }"""


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that steps look at: the processes, the people, the network, what was told."""

    supervisor: Supervisor
    transcript: Transcript
    cast: Cast
    network: Network
    parcel: str
    door: int


def tell(supervisor: Supervisor, transcript: Transcript) -> None:
    """The whole story. Raises what the first step raised that was not verified."""
    cast, network = set_up(supervisor, transcript)
    parcel = announce(network, transcript)
    door = reserve(network, transcript, parcel)
    scene = Scene(supervisor, transcript, cast, network, parcel, door)
    deposit(scene)
    carry_deposit(scene)
    receive_push(scene)
    track(scene)
    cache_bundle(scene)
    kill_server(scene)
    refuse_stranger(scene)
    unlock_offline(scene)
    refuse_replay(scene)
    restart_server(scene)
    carry_collection(scene)
    lines = prove_collection(scene)
    verify_receipts(scene, lines)
    prove_by_log(scene)
    supervisor.check_alive()


def announce(network: Network, transcript: Transcript) -> str:
    """The carrier's system announces the parcel; doing so twice makes no second one."""
    with transcript.step("announce", "carrier", "announces a parcel by its API key") as step:
        wish = parcel_input(network.hub)
        first, again = (
            pick(network.carrier.ask(ANNOUNCE, parcel=wish), "announceParcel", "ParcelPayload")
            for _ in range(2)
        )
        parcel: Json = first["parcel"]
        check(parcel["state"] == "ANNOUNCED", f"the parcel is {parcel['state']}")
        check(again["parcel"]["id"] == parcel["id"], "announcing again made another parcel")
        step.detail = f"parcel {parcel['code']} for {RECIPIENT}; announced twice, it is one"
    return str(parcel["id"])


def reserve(network: Network, transcript: Transcript, parcel: str) -> int:
    """The carrier's system has the best fitting compartment kept; its number."""
    with transcript.step("reserve", "carrier", "has a fitting compartment kept") as step:
        data = network.carrier.ask(RESERVE, parcel=parcel)
        kept = pick(data, "reserveCompartment", "ReserveCompartmentPayload")["reservation"]
        door = kept["compartment"]
        step.detail = f"compartment {door['number']} ({door['label']}, size {door['sizeClass']})"
    return int(door["number"])


def deposit(scene: Scene) -> None:
    """The courier opens the kept door and puts the parcel in.

    The locker's clock is untrusted since it started, and a courier gets nowhere with that: the
    phone, online at the door, brings signed time in the same request.
    """
    with scene.transcript.step("deposit", "courier", "puts the parcel in by Bluetooth") as step:
        courier = scene.cast.courier
        courier.act_online("fetch-route", scene.parcel)
        visit = courier.act_online("open", scene.parcel)
        check_opened(visit, scene.door, OPENED_AND_FILLED)
        check(visit["clock"] == 2, f"the locker's clock has quality {visit['clock']}, not 2")
        step.detail = (
            f"door {visit['compartment']} opened and closed on it; signed time set the clock"
        )


def carry_deposit(scene: Scene) -> None:
    """The courier's phone hands over what the locker gave it: sealed, and nobody's account."""
    with scene.transcript.step(
        "deposit_told", "courier", "carries envelopes to the server"
    ) as step:
        step.detail = count_delivered(scene.cast.courier.act_online("deliver"))


def receive_push(scene: Scene) -> None:
    """The push provider was given READY for the recipient's phone, and nothing to pry into."""
    with scene.transcript.step("push_received", "recipient", "is told by push") as step:
        pushes = scene.supervisor.endpoints.pushes
        message = wait_for(
            lambda: find_push(pushes, PUSH_TOKEN), "a push message", within_s=NOTICE_S
        )
        check_discreet(message, (CARRIER_NAME, TRACKING_NO, RECIPIENT_NAME))
        step.detail = f'"{message["notification"]["title"]}", no sender, contents or compartment'


def track(scene: Scene) -> None:
    """The recipient finds the parcel with her own phone: `me { parcels }`."""
    with scene.transcript.step("track", "recipient", "finds it by GraphQL") as step:
        phone, parcel = scene.cast.recipient, scene.parcel
        found = wait_for(lambda: find_ready(phone, parcel), "READY_FOR_PICKUP", within_s=NOTICE_S)
        words = found["location"]["words"]
        check("compartment" in words, f"the place in words names no door: {words}")
        step.detail = words


def cache_bundle(scene: Scene) -> None:
    """The phone keeps all that the door needs, while there is a network."""
    with scene.transcript.step("bundle_cached", "recipient", "keeps what opens the door") as step:
        bundle = scene.cast.recipient.act_online("fetch", scene.parcel)
        check(bundle["parcel"] == scene.parcel, "the bundle is for another parcel")
        step.detail = "token for her phone's key, the locker's keys, newest statements"


def kill_server(scene: Scene) -> None:
    """Web process and worker die by SIGKILL."""
    with scene.transcript.step("server_killed", "machine", "kills server and worker") as step:
        scene.supervisor.kill_services()
        check_unreachable(scene.supervisor.endpoints.api)
        step.detail = "SIGKILL; its address refuses connections"


def refuse_stranger(scene: Scene) -> None:
    """Somebody stole the whole bundle, and has no device key that fits it.

    The second try sees in the locker's hello that the first one wrote nothing.
    """
    with scene.transcript.step("stranger_refused", "stranger", "tries a stolen bundle") as step:
        stolen = scene.supervisor.folder / "stolen.json"
        stolen.write_text(json.dumps(scene.cast.recipient.act_offline("export", scene.parcel)))
        scene.cast.stranger.act_offline("import", str(stolen))
        visits = [scene.cast.stranger.act_offline("open", scene.parcel) for _ in range(2)]
        for visit in visits:
            check_refused(visit, Code.HOLDER_PROOF_FAILED)
        check_same_journal([number for visit in visits for number in counters(visit)])
        step.detail = f"{visits[0]['code']} {visits[0]['name']}, twice; the bolt did not move"


def unlock_offline(scene: Scene) -> None:
    """The right phone opens the right door; there is no server to ask, and none is named."""
    with scene.transcript.step(
        "unlock_offline", "recipient", "opens her door, all offline"
    ) as step:
        record = str(recorded(scene))
        visit = scene.cast.recipient.act_offline("open", scene.parcel, "--record", record)
        check_opened(visit, scene.door, OPENED_AND_TAKEN)
        check_unreachable(scene.supervisor.endpoints.api)
        step.detail = f"door {visit['compartment']} opened and closed empty; no server was there"


def refuse_replay(scene: Scene) -> None:
    """What was sent is of no use again: not the recorded bytes, and not the token itself."""
    with scene.transcript.step("replay_refused", "attacker", "sends the request again") as step:
        phone, record = scene.cast.recipient, str(recorded(scene))
        ended = max(row["seq"] for row in phone.act_offline("receipts")["receipts"])
        replayed = phone.act_offline("replay", scene.parcel, record)
        check(replayed["att"] == AttError.BAD_MESSAGE, f"the replay met {replayed['att']}")
        reused = phone.act_offline("open", scene.parcel)
        check_refused(reused, Code.USED)
        last = phone.act_offline("replay", scene.parcel, record)
        check_same_journal([ended, replayed["seq"], *counters(reused), last["seq"]])
        step.detail = (
            f"recorded bytes: ATT {replayed['att']:#x}; the token once more: {reused['code']} "
            f"{reused['name']}; the bolt did not move"
        )


def restart_server(scene: Scene) -> None:
    """Web process and worker come back to what they had committed."""
    with scene.transcript.step("server_restarted", "machine", "starts them again") as step:
        scene.supervisor.revive_services()
        step.detail = "same address, same database"


def carry_collection(scene: Scene) -> None:
    """The recipient's phone hands over the locker's envelopes; any other might."""
    with scene.transcript.step(
        "pickup_told", "recipient", "carries envelopes to the server"
    ) as step:
        step.detail = count_delivered(scene.cast.recipient.act_online("deliver"))


def prove_collection(scene: Scene) -> list[Line]:
    """The locker's own words say that her key opened and that the parcel was taken.

    The keys come from the locker's commissioning and from her phone; the server gives bytes only.
    """
    with scene.transcript.step("collected_proved", "carrier", "reads the signed journal") as step:
        data = scene.network.carrier.ask(PROVE, parcel=scene.parcel)
        state, assurance = data["parcel"]["state"], data["parcel"]["assurance"]
        check(state == "COLLECTED", f"the parcel is {state}")
        check(assurance == "A", f"the assurance is {assurance}, not A")
        lines = read_whole_journal(scene)
        proof = pick(data, "parcelProof", "ParcelProof")
        check(is_key_of(proof, scene.network.facts), "the proof names another locker's key")
        extract = read_extract(read_entries(proof["entries"]), lines)
        holder = bytes.fromhex(scene.cast.recipient.public_key)
        opened, taken = find_collection(extract, stay=stay_of(scene), holder=holder)
        check_bolts(lines)
        step.detail = (
            f"COLLECTED, assurance {assurance}: entry {opened.entry.seq} bears her key's proof, "
            f"{taken.entry.seq} ends the stay; {len(lines)} entries chained, 2 pulses in all"
        )
    return lines


def verify_receipts(scene: Scene, lines: list[Line]) -> None:
    """What the locker signed for her phone at the door are the heads of these very entries."""
    with scene.transcript.step("receipt_verified", "recipient", "checks her receipts") as step:
        kept = scene.cast.recipient.act_offline("receipts")["receipts"]
        by_seq = {line.entry.seq: line for line in lines}
        wanted = {Code.OK: Kind.ACCEPTED, DoorEvent.CLOSED_EMPTY: Kind.COLLECTED}
        for code, kind in wanted.items():
            [receipt] = [row for row in kept if row["code"] == code]
            line = by_seq[receipt["seq"]]
            check(line.entry.kind == kind, f"entry {receipt['seq']} is no {kind.name}")
            check(
                is_receipt_for(line, receipt, scene.network.facts),
                f"the receipt for entry {receipt['seq']} is not the locker's word on it",
            )
        step.detail = "the locker's signature holds on the heads of acceptance and collection"


def prove_by_log(scene: Scene) -> None:
    """The public log holds deposit and collection, for whoever has the receipt and nothing else."""
    with scene.transcript.step("log_verified", "anybody", "checks the log's receipt") as step:
        recipient = scene.cast.recipient
        file = fetch_receipt(scene.supervisor, recipient, scene.network, scene.parcel)
        step.detail = check_receipt(scene.supervisor, file)


def read_whole_journal(scene: Scene) -> list[Line]:
    """The journal as the operator may read it, verified from its first entry on."""
    data = scene.cast.operator.ask(JOURNAL, locker=scene.network.locker)
    raws = read_entries(edge["node"] for edge in data["journal"]["edges"])
    return read_journal(raws, scene.network.facts)


def stay_of(scene: Scene) -> StayId:
    """The stay that the recipient's token names."""
    bundle = scene.cast.recipient.act_offline("export", scene.parcel)
    return parse_token(base64.b64decode(bundle["token"]["bytes"])).claims.stay


def recorded(scene: Scene) -> Path:
    """Where the recipient's request is kept as it was sent."""
    return scene.supervisor.folder / "request.bin"


def parcel_input(hub: str) -> Json:
    """A shoe box."""
    return {
        "trackingNo": TRACKING_NO,
        "hub": hub,
        "recipient": RECIPIENT,
        "recipientName": RECIPIENT_NAME,
        "widthMm": 340,
        "heightMm": 130,
        "depthMm": 210,
        "weightG": 900,
    }
