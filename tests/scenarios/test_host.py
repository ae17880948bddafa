"""The host tools against the real firmware: everything that `cryo` does, on a bench."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from host_tools import operators, units
from host_tools.cli import main
from host_tools.description import PARTS
from host_tools.device import Device
from host_tools.errors import IntegrityError, NotConfirmed, PortLost, Refused
from host_tools.export import write_csv
from host_tools.link import Link
from host_tools.pull import pull
from host_tools.records import named_fields
from host_tools.store import Store
from hw_sim.bench import Bench, FastBench
from tests.scenarios.conftest import arm, freezing, ready, treat, until

STEP_MS = 1.0


class BenchTransport:
    """A port that is connected to a bench, in the bench's own time."""

    url = "bench://"
    slice_s = 0.05

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.gone_after: int | None = None
        """The port vanishes after this number of bytes has been read."""
        self._read = 0

    def read_some(self) -> bytes:
        if self.gone_after is not None and self._read > self.gone_after:
            raise PortLost("the port bench:// has vanished")
        bench = self._bench
        end_ns = bench.clock.now_ns + round(self.slice_s * 1e9)
        data = bench.host_read()
        while not data and bench.clock.now_ns < end_ns:
            bench.run_for(STEP_MS)
            data = bench.host_read()
        self._read += len(data)
        return data

    def write(self, data: bytes) -> None:
        self._bench.host_write(data)

    def close(self) -> None:
        pass


def attach(bench: Bench) -> Device:
    """A host on the bench's port that has read the earlier output."""
    bench.events()
    bench.host_read()
    return Device(Link(BenchTransport(bench), first_id=1000))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "records.sqlite") as store:
        yield store


def test_the_device_describes_itself_in_full(bench: Bench) -> None:
    """Every row can be read, and every unit of a setting can be entered as shown."""
    device = attach(ready(bench, whole=True))
    description = device.description()
    assert set(description.tables) == set(PARTS)
    assert all(table.rows for table in description.tables.values())
    assert all(
        len(row) == len(table.columns)
        for table in description.tables.values()
        for row in table.rows
    )
    values = device.get_all(description.settings)
    for row, value in zip(description.settings, values, strict=True):
        assert row.min <= row.default <= row.max
        assert value.value == row.default
        assert row.who in ("host", "device")
        if description.part_of(row.key, row.unit) is None:
            assert units.parse(units.show(value.value, row.unit), row.unit) == value.value
    assert device.link.counts.bad_lines == 0
    assert device.link.counts.resent == 0


def test_a_setting_at_once_and_one_out_of_range(bench: Bench) -> None:
    device = attach(ready(bench))
    row = next(row for row in device.settings().settings if row.who == "host")
    assert device.set(row.key, row.max).applied
    assert device.get(row.key).value == row.max
    with pytest.raises(Refused) as caught:
        device.set(row.key, row.max + 1)
    assert caught.value.code == "range"
    assert caught.value.detail == {"min": row.min, "max": row.max, "unit": row.unit}
    assert device.get(row.key).value == row.max
    with pytest.raises(Refused, match="no setting"):
        device.get("nonsense")


@pytest.mark.hazard("H-13")
@pytest.mark.parametrize(
    ("hands", "outcome"),
    [
        (lambda bench: bench.press("select", 1500), "confirmed"),
        (lambda bench: bench.press("up"), "rejected"),
        (lambda bench: None, "timed_out"),
    ],
    ids=["confirmed", "rejected", "timed out"],
)
def test_a_change_of_the_dose_needs_a_hand_at_the_device(
    bench: Bench, hands: Callable[[Bench], None], outcome: str
) -> None:
    """H-13: `cryo set` reports the outcome, and only a confirmed change is applied."""
    device = attach(ready(bench))
    reply = device.set("depth_um", 2500)
    assert not reply.applied
    assert (device.get("depth_um").value, device.get("depth_um").pending) == (2300, 2500)
    hands(bench)
    if outcome == "confirmed":
        device.wait_confirmed(reply)
        assert device.get("depth_um").value == 2500
        return
    with pytest.raises(NotConfirmed) as caught:
        device.wait_confirmed(reply)
    assert caught.value.outcome == outcome
    assert device.get("depth_um").value == 2300
    assert device.get("depth_um").pending is None


@pytest.mark.hazard("H-25")
@pytest.mark.parametrize("outcome", ["done", "rejected", "timed_out"])
def test_an_operator_is_added_at_the_device(bench: Bench, outcome: str) -> None:
    """H-25: the host asks, the device decides; the event may be lost."""
    device = attach(ready(bench))
    generation = operators.stored(device)[0]["generation"]
    reply = device.link.request("operators", do="add", number=4, role=1)
    assert reply["applied"] is False
    if outcome == "rejected":
        bench.press("up")
    elif outcome == "done":
        bench.press("select", 1200)
        for _ in range(2):
            for button in ("up", "down", "down", "up", "select"):
                bench.press(button)
            bench.run_for(400)
        bench.events()
    if outcome == "done":
        operators.wait(device, 4, generation, reply["expires_s"])
        row = {"number": 4, "role": "physician"}
        assert operators.show(device) == {"required": False, "signed_in": 0, "operators": [row]}
        return
    with pytest.raises(NotConfirmed) as caught:
        operators.wait(device, 4, generation, reply["expires_s"])
    assert caught.value.outcome == outcome
    assert operators.stored(device)[1] == {}


def test_a_second_change_is_refused_while_one_waits(bench: Bench) -> None:
    device = attach(ready(bench))
    first = device.set("depth_um", 2500)
    with pytest.raises(Refused) as caught:
        device.set("depth_um", 2600)
    assert caught.value.code == "busy"
    assert device.set("depth_um", 2500) == first  # idempotent


@pytest.mark.hazard("H-08")
def test_a_treatment_lands_in_the_store_and_in_a_table(bench: Bench, store: Store) -> None:
    """H-08: the delivered dose is on the computer, verified, with names and units."""
    ready(bench)
    treat(bench)
    device = attach(bench)
    result = pull(device, store)
    assert (result.new, result.repeated, result.resent) == (result.head, 0, 0)
    serial = device.hello().serial
    description = store.description(serial)
    pulled = list(store.records(serial))
    kinds = [description.kinds[record.kind].name for record in pulled]
    assert kinds == [
        "boot", "armed", "plan", "freeze_begin", "freeze_end", "estimate", "treatment_end",
    ]  # fmt: skip
    end = {item.name: item for item in named_fields(pulled[-3], description)}
    assert end["cause"].meaning == "complete"
    assert end["dose"].unit == "ms"
    ((opened, closed),) = bench.valve_intervals()
    assert abs(end["delivered_gate"].value * 1000 - (closed - opened)) <= 1000
    out = io.BytesIO()
    write_csv(out, serial, [(item.seq, item.raw) for item in pulled], description)
    rows = list(csv.DictReader(io.StringIO(out.getvalue().decode(), newline="")))
    assert rows[-3]["cause (name)"] == "complete"
    assert rows[-3]["dose [ms]"] == str(end["dose"].value)
    assert store.verify(serial).good


@pytest.mark.hazard("H-12")
def test_a_freeze_in_between_is_waited_for(bench: Bench, store: Store) -> None:
    """H-12: while the valve is open the host gets `busy` and the short status, and waits."""
    ready(bench)
    arm(bench)
    freezing(bench, 300)
    device = attach(bench)
    short = device.status()
    assert set(short) == {"state", "remaining_ms", "elapsed_ms", "nozzle_c_x100", "valve"}
    assert short["valve"] == "open"
    with pytest.raises(Refused) as caught:
        device.get("depth_um")
    assert caught.value.code == "busy"
    result = pull(device, store)
    assert len(bench.valve_intervals()) == 1  # it waited until the end
    opened, closed = bench.valve_intervals()[0]
    assert closed - opened > 9e9
    assert result.new == result.head
    until(bench, "DONE")


def test_the_clock(bench: Bench) -> None:
    device = attach(ready(bench))
    device.set_time(1_717_318_800)
    bench.run_for(2000)
    assert device.time().utc_s in (1_717_318_801, 1_717_318_802, 1_717_318_803)
    with pytest.raises(Refused):
        device.set_time(5)


# -- the whole journal --------------------------------------------------------------------------

SERIAL = "e661640843275b2c"  # serial number of the bench's board
COUNT = 10_000
SEGMENT = 255


def journal(count: int) -> list[bytes]:
    """`count` records of one kind, chained as in docs/protocol.md without the firmware."""
    chain = hashlib.sha256(b"cryodose-journal-1" + SERIAL.encode()).digest()[:16]
    chain_records: list[bytes] = []
    for seq in range(1, count + 1):
        body = struct.pack("<IHBBII8i", seq, 1, 13, 2, seq * 10, 0, seq, 1, 500, 0, 0, 0, 0, 0)
        chain = hashlib.sha256(chain + body).digest()[:16]
        chain_records.append(body + chain)
    return chain_records


def full_bench(records: list[bytes]) -> Bench:
    """A device with a history. Only the fast bench accepts files."""
    bench = FastBench()
    device = attach(ready(bench))  # the first start
    device.set("volume", 1)  # creates settings: without them the journal reports a loss
    bench.cut_power()
    bench.write_files(
        {
            f"journal/{first + 1:08d}": b"".join(records[first : first + SEGMENT])
            for first in range(0, len(records), SEGMENT)
        }
    )
    bench.run_for(100)
    return ready(bench)


def test_ten_thousand_records_once_each(store: Store) -> None:
    """Pulled, verified, stored; at most 1 % sent again. `make bench` measures the time."""
    records = journal(COUNT)
    device = attach(full_bench(records))
    result = pull(device, store)
    assert result.head >= COUNT
    assert result.new == result.head
    assert result.repeated <= COUNT // 100
    assert result.resent <= result.requests // 100
    assert [record.raw for record in store.records(SERIAL, 1, COUNT)] == records
    assert store.verify(SERIAL).good
    assert pull(device, store).received == 0


@pytest.mark.hazard("H-08")
def test_a_pull_broken_off_goes_on_where_it_stopped(store: Store) -> None:
    """H-08: the port vanishes; received records are stored, the rest is pulled the next time."""
    records = journal(2000)
    bench = full_bench(records)
    device = attach(bench)
    transport = device.link.transport
    assert isinstance(transport, BenchTransport)
    transport.gone_after = 100_000
    with pytest.raises(PortLost):
        pull(device, store)
    stored = store.last_seq(SERIAL)
    assert 500 < stored < 1500
    result = pull(attach(bench), store)
    assert result.received == result.new == result.head - stored
    assert store.verify(SERIAL).good


def test_power_lost_in_a_pull(store: Store) -> None:
    """The device restarts in the middle; the same pull continues."""
    bench = full_bench(journal(2000))
    device = attach(bench)
    cut: list[int] = []

    def progress(done: int, _: int) -> None:
        if done > 700 and not cut:
            cut.append(done)
            bench.cut_power()
            bench.run_for(500)
            bench.power_on()

    result = pull(device, store, progress=progress)
    assert cut
    assert result.new >= 2000
    assert result.repeated <= 80
    assert store.verify(SERIAL).good


@pytest.mark.hazard("H-08")
def test_a_record_damaged_in_flash_is_found_and_can_be_passed(store: Store) -> None:
    """H-08: the pull stops before it, and reports how to get the rest."""
    records = journal(600)
    records[300] = records[300][:20] + b"\xee" + records[300][21:]
    device = attach(full_bench(records))
    with pytest.raises(IntegrityError, match="record 301") as caught:
        pull(device, store)
    assert "--keep-broken" in caught.value.hint
    assert store.last_seq(SERIAL) == 300
    result = pull(device, store, keep_broken=True)
    assert result.broken == [301]
    assert store.last_seq(SERIAL) == result.head
    assert len(store.verify(SERIAL).problems) == 1


# -- the command, on sim:// ---------------------------------------------------------------------


class Cryo:
    """Runs `cryo` against a simulated device with persistent flash."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.flash = folder / "flash.bin"
        self._store = folder / "records.sqlite"
        self._capsys = capsys

    def __call__(self, *arguments: str, options: str = "", code: int = 0) -> Any:
        url = f"sim://?flash={self.flash}{options}"
        if arguments[0] == "log":
            arguments = (*arguments, "--store", str(self._store))
        assert main(["--json", "--port", url, *arguments]) == code
        out, err = self._capsys.readouterr()
        assert err == ""
        return json.loads(out)


@pytest.fixture
def cryo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cryo:
    return Cryo(tmp_path, capsys)


@pytest.mark.slow
def test_the_command_from_first_hello_to_verified_journal(cryo: Cryo) -> None:
    assert cryo("info")["state"] == "READY"
    assert cryo("set", "depth_um", "2.6mm")["outcome"] == "confirmed"
    assert cryo("get", "depth_um")["value"] == 2600  # after a start: it was saved
    refused = cryo("set", "depth_um", "9mm", code=1)["error"]
    assert (refused["code"], refused["unit"]) == ("range", "um")
    rejected = cryo("set", "depth_um", "2.7mm", options="&operator=reject", code=6)["error"]
    assert rejected["outcome"] == "rejected"
    nobody = cryo("set", "depth_um", "2.7mm", options="&operator=none", code=6)["error"]
    assert nobody["outcome"] == "timed_out"
    assert cryo("set", "applicator", "9", code=1)["error"]["code"] == "range"
    assert cryo("time", "--set", "2024-06-02T11:00:00+02:00")["utc_s"] == 1_717_318_800
    pulled = cryo("log", "pull")
    assert pulled["new"] == pulled["head"] > 8
    assert cryo("log", "verify")["good"] is True
    kinds = {row["kind"] for row in cryo("log", "show", "--all")["records"]}
    assert {"boot", "setting", "time_set"} <= kinds
    again = cryo("log", "pull")
    assert again["new"] == again["received"] == 2  # the release, and the start of this session


OWN_ITEMS = """
[[item]]
text = "Keloid before"
kind = "avoid"

[[item]]
text = "Under 12 years"
kind = "caution"
"""


@pytest.mark.slow
@pytest.mark.hazard("H-13", "H-19")
def test_the_practices_items_from_a_file_to_the_journal(cryo: Cryo, tmp_path: Path) -> None:
    """H-13, H-19: shown, confirmed or not, refused by the device, cleared."""
    path = tmp_path / "own.toml"
    path.write_text(OWN_ITEMS, "utf-8")
    assert cryo("checklist", "show")["items"] == []
    rejected = cryo("checklist", "set", str(path), options="&operator=reject", code=6)["error"]
    assert rejected["outcome"] == "rejected"
    nobody = cryo("checklist", "set", str(path), options="&operator=none", code=6)["error"]
    assert nobody["outcome"] == "timed_out"
    data = cryo("checklist", "set", str(path))
    assert data["outcome"] == "confirmed"
    assert [item["text"] for item in data["items"]] == ["Keloid before", "Under 12 years"]
    assert cryo("checklist", "set", str(path))["outcome"] == "applied"
    shown = cryo("checklist", "show")
    assert (shown["items"], shown["outcome"]) == (data["items"], "loaded")
    path.write_text(OWN_ITEMS.replace("Keloid before", "Seventeen letters"), "utf-8")
    refused = cryo("checklist", "set", str(path), code=1)["error"]
    assert refused["code"] == "range"
    assert "1 to 16" in refused["text"]
    assert cryo("checklist", "clear")["items"] == []
    cryo("log", "pull")
    rows = [r for r in cryo("log", "show", "--all")["records"] if r["kind"] == "checklist"]
    assert len(rows) == 4


@pytest.mark.parametrize(
    "text",
    ["", "item = 1", "[[item]]\ntext = 1\nkind = 'avoid'", "[[item]]\ntext = 'a'", "[item",
     "x = 1\n[[item]]\ntext = 'a'\nkind = 'avoid'", "item = [1]"],
)  # fmt: skip
def test_a_file_of_another_form_is_explained(tmp_path: Path, capsys: Any, text: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text, "utf-8")
    assert main(["--port", "sim://", "checklist", "set", str(path)]) == 2
    assert "[[item]]" in " ".join(capsys.readouterr().err.split())
    assert main(["--port", "sim://", "checklist", "set", str(tmp_path / "none")]) == 7


def test_the_same_commands_give_the_same_flash(tmp_path: Path, capsys: Any) -> None:
    """The simulator is deterministic, and so is the host."""
    images: list[bytes] = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        cryo = Cryo(folder, capsys)
        cryo("set", "depth_um", "2.6mm")
        cryo("get")
        images.append(cryo.flash.read_bytes())
    assert images[0] == images[1]


def test_a_wrong_option_of_the_simulator_is_explained(capsys: Any) -> None:
    assert main(["--port", "sim://?operator=drunk", "info"]) == 3
    assert "operator is confirm, reject or none" in " ".join(capsys.readouterr().err.split())
