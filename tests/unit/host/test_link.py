"""Lines, requests, replies and events, over a line that does its worst."""

import json

import pytest

from host_tools.device import Device
from host_tools.errors import LinkTimeout, NotConfirmed, PortLost, ProtocolError, Refused
from host_tools.link import NOISY_TIMEOUT_S, Link, Pipeline
from tests.unit.host.fake_device import FakeDevice, MemoryTransport, frame, journal


def test_a_request_and_its_reply(device: Device) -> None:
    hello = device.hello()
    assert (hello.serial, hello.fw, hello.log_head) == ("E6614C31", "0.2.0", 0)


@pytest.mark.parametrize("chunk", [1, 2, 7, 64])
def test_bytes_may_come_in_any_portions(
    device: Device, transport: MemoryTransport, chunk: int
) -> None:
    transport.chunk = chunk
    assert len(device.describe("settings").rows) == 7
    assert device.link.counts.bad_lines == 0


@pytest.mark.parametrize("portion", [1, 7, 500, 5000])
def test_chunks_may_come_in_any_portions(
    fake: FakeDevice, device: Device, transport: MemoryTransport, portion: int
) -> None:
    fake.journal = journal(fake.serial, 100)
    fake.before = lambda _: b"noise \x02\n"
    transport.chunk = portion
    stream = device.log_block(5, 90)
    chunks = list(stream.chunks())
    assert [seq for seq, _ in chunks] == [5, 36, 67]
    assert [record.raw for _, records in chunks for record in records] == fake.journal[4:94]


def test_a_chunk_whose_end_is_lost_does_not_hold_up_the_next_reply(
    fake: FakeDevice, device: Device
) -> None:
    fake.journal = journal(fake.serial, 31)
    fake.mangle = lambda line: line[:700]
    assert list(device.log_block(1, 31).chunks()) == []
    assert device.hello().log_head == 31


def test_a_reply_with_a_wrong_crc_is_asked_for_again(
    fake: FakeDevice, device: Device, link: Link
) -> None:
    seen: list[bytes] = []

    def first_one_corrupted(line: bytes) -> bytes:
        seen.append(line)
        return line.replace(b"READY", b"READI") if len(seen) == 1 else line

    fake.mangle = first_one_corrupted
    assert device.hello().state == "READY"
    assert (link.counts.bad_lines, link.counts.resent) == (1, 1)
    assert link.now_s == pytest.approx(NOISY_TIMEOUT_S, abs=0.1)
    assert fake.heard[0] == fake.heard[1]  # the very same request, id and all


@pytest.mark.parametrize(
    "corrupt",
    [
        lambda line: line[: len(line) // 2],  # truncated, and the next line is glued to it
        lambda line: line[:-12] + b"\n",
        lambda line: b"\xff\x00\xfe" + line,
        lambda line: b"",
        lambda line: b"x" * 1_000_000 + line,
        lambda line: b"[1,2]*29d4f5a5\n",
        lambda line: b"*00000000\n",
        lambda line: frame({"id": 999_999, "ok": {}}),  # somebody else's
    ],
)
def test_whatever_happens_to_a_reply_the_next_try_succeeds(
    fake: FakeDevice, device: Device, corrupt: object
) -> None:
    tries = iter([corrupt, lambda line: b"\n" + line])
    fake.mangle = lambda line: next(tries)(line)  # type: ignore[operator]
    assert device.hello().serial == "E6614C31"
    assert device.link.counts.resent == 1


def test_noise_and_text_between_lines_do_no_harm(fake: FakeDevice, device: Device) -> None:
    fake.before = lambda _: b"\r\nsome text\r\n\x00\x80\xff\n\n" + b"y" * 5000 + b"\n"
    assert device.status()["pressure_mbar"] == 612
    assert device.link.counts.resent == 0
    assert device.link.counts.bad_lines == 3


def test_carriage_returns_are_tolerated(fake: FakeDevice, device: Device) -> None:
    fake.mangle = lambda line: line.replace(b"\n", b"\r\n")
    assert device.hello().state == "READY"
    assert device.link.counts.bad_lines == 0


def test_events_between_are_delivered_and_do_not_disturb(
    fake: FakeDevice, transport: MemoryTransport
) -> None:
    seen: list[object] = []
    link = Link(transport, first_id=5, on_event=lambda event: seen.append(event["ev"]))
    fake.before = lambda _: frame({"ev": "state", "state": "READY", "was": "DONE"})
    assert Device(link).hello().state == "READY"
    assert seen == ["state"]
    assert link.counts.stray == 0


def test_late_and_repeated_replies_are_dropped(fake: FakeDevice, device: Device) -> None:
    fake.mangle = lambda line: line + line
    first = device.get("depth_um")
    second = device.get("arm_timeout_s")
    assert (first.value, second.value) == (2300, 60)
    assert device.link.counts.stray >= 1


def test_silence_ends_in_an_error_that_says_what_to_do(fake: FakeDevice, device: Device) -> None:
    fake.silent = True
    with pytest.raises(LinkTimeout, match="no answer from memory://") as caught:
        device.hello()
    assert "cryo ports" in caught.value.hint
    assert len(fake.heard) == device.link.tries
    assert device.link.now_s == pytest.approx(device.link.tries * device.link.timeout_s, abs=0.5)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (b'{"id":1,"op":"hello"}\r\n>>> ', "MicroPython's prompt answers"),
        (b"Traceback (most recent call last):\r\nMemoryError: \r\n", "stopped with an error"),
        (b"GET / HTTP/1.0\r\n", "no valid answer"),
    ],
)
def test_the_error_names_what_answers_instead(
    fake: FakeDevice, device: Device, said: bytes, text: str
) -> None:
    fake.mangle = lambda _: said
    with pytest.raises(LinkTimeout, match=text):
        device.hello()


def test_our_own_request_echoed_is_no_reply(fake: FakeDevice, device: Device) -> None:
    fake.before = lambda request: frame(request)
    assert device.hello().state == "READY"


def test_a_restart_of_the_device_repeats_what_was_under_way(
    fake: FakeDevice, device: Device, link: Link
) -> None:
    events = iter([fake.boot_event()])

    def reboot(line: bytes) -> bytes:
        return next(events, line)

    fake.mangle = reboot
    assert device.hello().state == "READY"
    assert link.boots == 1
    assert link.now_s < link.timeout_s  # at once, not after a time-out


def test_ids_wrap_and_stay_in_range(fake: FakeDevice, transport: MemoryTransport) -> None:
    device = Device(Link(transport, first_id=(1 << 30) - 1))
    device.hello()
    device.hello()
    assert [request["id"] for request in fake.heard] == [(1 << 30) - 1, 0]


def test_ids_differ_from_session_to_session(fake: FakeDevice) -> None:
    for _ in range(5):
        Device(Link(MemoryTransport(fake))).hello()
    ids = [request["id"] for request in fake.heard]
    assert len(set(ids)) == 5
    assert all(0 <= number < 1 << 30 for number in ids)


def test_a_request_that_is_too_long_is_not_sent(fake: FakeDevice, link: Link) -> None:
    with pytest.raises(ValueError, match="512"):
        link.request("get", key="k" * 600)
    assert not fake.heard


def test_a_lost_reply_is_noticed_by_the_one_behind_it(fake: FakeDevice, link: Link) -> None:
    count = 0

    def lose_the_second(line: bytes) -> bytes:
        nonlocal count
        count += 1
        return b"" if count == 2 else line

    fake.mangle = lose_the_second
    pipeline = Pipeline(link)
    asked = [pipeline.add("get", key="depth_um") for _ in range(4)]
    answered = [pipeline.wait().number for _ in asked]
    assert answered == [asked[0], asked[2], asked[3], asked[1]]
    assert link.counts.resent == 1
    assert link.now_s < link.timeout_s


def test_refusals_carry_code_and_limits(device: Device) -> None:
    with pytest.raises(Refused) as caught:
        device.set("depth_um", 9000)
    assert caught.value.code == "range"
    assert caught.value.detail == {"min": 500, "max": 6000, "unit": "um"}


@pytest.mark.parametrize(
    "message",
    [
        {"id": 1},
        {"id": 1, "ok": 3},
        {"id": 1, "ok": {}},
        {"id": 1, "ok": {"device": "teapot"}},
        {"id": 1, "ok": {"device": "cryodose", "serial": 5}},
    ],
)
def test_replies_of_another_form_are_protocol_errors(
    fake: FakeDevice, device: Device, message: dict[str, object]
) -> None:
    fake.mangle = lambda _: frame(message)
    with pytest.raises(ProtocolError):
        device.hello()


def test_a_newer_protocol_is_named(fake: FakeDevice, device: Device) -> None:
    def newer(line: bytes) -> bytes:
        message = json.loads(line[:-10])
        message["ok"]["protocol"] = 2
        return frame(message)

    fake.mangle = newer
    with pytest.raises(ProtocolError, match="version 2"):
        device.hello()


def test_a_vanished_port_is_said(transport: MemoryTransport, device: Device) -> None:
    transport.gone_after = 10
    transport.chunk = 8
    with pytest.raises(PortLost):
        device.hello()


# -- a change that wants confirmation (H-13) ----------------------------------------------------


def test_confirmed_by_the_event(fake: FakeDevice, device: Device) -> None:
    reply = device.set("depth_um", 2500)
    assert (reply.applied, reply.confirm, reply.expires_s) == (False, "hold SELECT", 30.0)
    left: list[float] = []
    device.wait_confirmed(reply, left.append)
    assert device.get("depth_um").value == 2500
    assert left
    assert left == sorted(left, reverse=True)


def test_confirmed_although_the_event_was_lost(fake: FakeDevice, device: Device) -> None:
    fake.operator = "gone"
    device.wait_confirmed(device.set("depth_um", 2500))
    assert device.get("depth_um").value == 2500


def test_rejected_at_the_device(fake: FakeDevice, device: Device) -> None:
    fake.operator = "reject"
    with pytest.raises(NotConfirmed) as caught:
        device.wait_confirmed(device.set("depth_um", 2500))
    assert caught.value.outcome == "rejected"


def test_nobody_there(fake: FakeDevice, device: Device) -> None:
    fake.operator = "sleep"
    with pytest.raises(NotConfirmed) as caught:
        device.wait_confirmed(device.set("depth_um", 2500))
    assert caught.value.outcome == "timed_out"


def test_busy_with_our_own_first_copy_is_no_refusal(fake: FakeDevice, device: Device) -> None:
    """The reply to `set` is lost, and a strict device calls the repeated request busy."""
    count = 0

    def lose_the_first(line: bytes) -> bytes:
        nonlocal count
        count += 1
        if count == 1:
            return b""
        if count == 2:
            number = json.loads(line[:-10])["id"]
            return frame({"id": number, "err": {"code": "busy", "text": "waits"}})
        return line

    fake.mangle = lose_the_first
    reply = device.set("depth_um", 2500)
    device.wait_confirmed(reply)
    assert device.get("depth_um").value == 2500


def test_busy_with_another_change_stays_a_refusal(fake: FakeDevice, device: Device) -> None:
    fake.pending = ("open_lag_us", 9)
    with pytest.raises(Refused) as caught:
        device.set("depth_um", 2500)
    assert caught.value.code == "busy"
