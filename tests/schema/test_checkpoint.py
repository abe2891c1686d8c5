"""Signed notes of the log and its witnesses: read strictly, and believed for the right key only."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.checkpoint.notes import (
    NOTE_BYTES,
    Checkpoint,
    KeyKind,
    Note,
    NoteKey,
    cosign,
    parse_checkpoint,
    parse_note,
    parse_signatures,
    parse_size,
    sign_checkpoint,
)
from schema.codec import Malformed
from tests.schema.makers import NOW, case_id, signing_key

ORIGIN = "hubs.example.org/log"
WITNESS = "witness.example.org/w1"
LOG_KEY = signing_key("log")
WITNESS_KEY = signing_key("witness")
LOG = NoteKey(ORIGIN, KeyKind.LOG, LOG_KEY.public)
WITNESSED = NoteKey(WITNESS, KeyKind.WITNESS, WITNESS_KEY.public)
HEAD = Checkpoint(ORIGIN, 20_852_163, bytes(range(32)))

SUMDB_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SUMDB_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\u2014 PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
"""The example in the documentation of Go's `sumdb/note`, where the format comes from."""


def cosigned(at: int = NOW) -> Note:
    note = sign_checkpoint(HEAD, [LOG_KEY])
    cosignature = cosign(note, WITNESS_KEY, name=WITNESS, at=at)
    return replace(note, signatures=(*note.signatures, cosignature))


def test_the_known_example_of_a_note_holds() -> None:
    note = parse_note(SUMDB_NOTE.encode())
    key = NoteKey.parse(SUMDB_KEY)
    assert (key.name, str(key)) == ("PeterNeumann", SUMDB_KEY)
    assert note.is_signed_by(key)
    assert str(note) == SUMDB_NOTE


def test_a_checkpoint_is_read_as_it_was_signed() -> None:
    note = parse_note(str(cosigned()).encode())
    assert note == cosigned()
    assert parse_checkpoint(note) == HEAD
    assert note.is_signed_by(LOG)
    assert note.find_time(WITNESSED) == NOW


def test_while_a_key_is_replaced_both_sign() -> None:
    new_key = signing_key("next log")
    note = sign_checkpoint(HEAD, [new_key, LOG_KEY])
    assert note.is_signed_by(LOG)
    assert note.is_signed_by(NoteKey(ORIGIN, KeyKind.LOG, new_key.public))


def test_signatures_of_strangers_say_nothing() -> None:
    note = cosigned()
    stranger = signing_key("stranger").public
    assert not note.is_signed_by(NoteKey(ORIGIN, KeyKind.LOG, stranger))
    assert not note.is_signed_by(NoteKey("other.example.org/log", KeyKind.LOG, LOG.public))
    assert note.find_time(NoteKey(WITNESS, KeyKind.WITNESS, stranger)) is None
    assert note.find_time(NoteKey(ORIGIN, KeyKind.WITNESS, LOG.public)) is None
    assert not note.is_signed_by(NoteKey(WITNESS, KeyKind.LOG, WITNESSED.public))


def test_a_note_that_was_changed_is_refused_and_not_merely_doubted() -> None:
    changed = replace(cosigned(), text=replace(HEAD, size=HEAD.size + 1).text)
    with pytest.raises(Malformed, match="does not hold"):
        changed.is_signed_by(LOG)
    with pytest.raises(Malformed, match="does not hold"):
        changed.find_time(WITNESSED)


@given(st.data())
def test_each_bit_of_a_signature_counts(data: st.DataObject) -> None:
    note = cosigned()
    which = data.draw(st.integers(0, 1))
    line = note.signatures[which]
    bit = data.draw(st.integers(0, len(line.value) * 8 - 1))
    value = bytearray(line.value)
    value[bit // 8] ^= 1 << bit % 8
    lines = [*note.signatures]
    lines[which] = replace(line, value=bytes(value))
    changed = replace(note, signatures=tuple(lines))
    with pytest.raises(Malformed, match="does not hold"):
        _ = changed.is_signed_by(LOG), changed.find_time(WITNESSED)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text\n",
        "text\n\n",
        "\n\n\u2014 name AAAAAAAA\n",
        "text\n\n\u2014 name AAAAAAAA",
        "text\n\n- name AAAAAAAA\n",
        "text\n\n\u2014 AAAAAAAA\n",
        "text\n\n\u2014  AAAAAAAA\n",
        "text\n\n\u2014 na+me AAAAAAAA\n",
        "text\n\n\u2014 na\u00a0me AAAAAAAA\n",
        "text\n\n\u2014 name AAAA\n",
        "text\n\nname AAAAAAAA\n",
        "text\n\n\u2014 name AAAAAA==\n",
        "text\n\n\u2014 name AAAA!AAAA\n",
        "text\n\n\u2014 name AAAAAAAA=\n",
        "text\n\n\u2014 name AAAAAAB=\n",
        "text\n\n\u2014 name AAAA AAAA\n",
        "te\txt\n\n\u2014 name AAAAAAAA\n",
        "text\r\n\n\u2014 name AAAAAAAA\n",
        "text\n\n" + "\u2014 name AAAAAAAA\n" * 65,
        "t" * NOTE_BYTES + "\n\n\u2014 name AAAAAAAA\n",
    ],
    ids=case_id,
)
def test_what_is_no_note_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        parse_note(text.encode())


def test_a_note_that_is_not_text_is_refused() -> None:
    with pytest.raises(Malformed):
        parse_note(b"\xff\n\n\xe2\x80\x94 name AAAAAAAA\n")


def test_a_text_may_have_empty_lines() -> None:
    note = parse_note("one\n\ntwo\n\n\u2014 name AAAAAAAA\n".encode())
    assert note.text == "one\n\ntwo\n"


def test_the_longest_note_is_read() -> None:
    rest = "\n\n\u2014 name AAAAAAAA\n"
    longest = "t" * (NOTE_BYTES - len(rest.encode())) + rest
    assert str(parse_note(longest.encode())) == longest


def test_as_many_signatures_as_there_may_be_are_read() -> None:
    assert len(parse_signatures("\u2014 name AAAAAAAA\n" * 64)) == 64
    with pytest.raises(Malformed):
        parse_signatures("")


@pytest.mark.parametrize(
    "text",
    [
        "origin\n1\n",
        HEAD.text.replace(HEAD.origin, ""),
        "origin\n1\nAAAA\n",
        f"{HEAD.text}more\n",
        HEAD.text.replace("20852163", "020852163"),
        HEAD.text.replace("20852163", "-1"),
        HEAD.text.replace("20852163", f"{2**63}"),
        HEAD.text.replace("20852163", "\u0661"),
    ],
    ids=case_id,
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        parse_checkpoint(Note(text, ()))


def test_the_largest_size_is_read() -> None:
    assert parse_size(f"{2**63 - 1}") == 2**63 - 1
    assert parse_size("0") == 0


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "name+00000000",
        f"{SUMDB_KEY}=",
        SUMDB_KEY.replace("c74f20a3", "c74f20a4"),
        SUMDB_KEY.replace("PeterNeumann", "Peter Neumann"),
        SUMDB_KEY.replace("PeterNeumann", ""),
        "name+00000000+AAAA",
        "name+00000000+",
    ],
    ids=case_id,
)
def test_what_is_no_key_is_refused(vkey: str) -> None:
    with pytest.raises(Malformed):
        NoteKey.parse(vkey)


def test_a_key_is_read_as_it_is_written() -> None:
    assert NoteKey.parse(str(LOG)) == LOG
    assert NoteKey.parse(str(WITNESSED)) == WITNESSED
