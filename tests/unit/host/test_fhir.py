"""`cryo treatment N --fhir`: a bundle that fhir.resources takes, with what the journal says.

Without the extra `fhir` the tests of the bundle's form are skipped, with words.
"""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from host_tools import fhir
from host_tools.cli import main
from host_tools.description import Description
from host_tools.device import Device
from host_tools.errors import LocalError
from host_tools.link import Link
from host_tools.projection import Wanted
from host_tools.records import decode, genesis
from host_tools.store import Store
from host_tools.story import story
from host_tools.transport import open_transport
from hw_sim.bench.journal_maker import FIRST_DAY_S, JournalMaker, Practice

SERIAL = "e661640843275b2c"
MADE = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)

needs_extra = pytest.mark.skipif(
    find_spec("fhir") is None, reason="the extra 'fhir' is not installed: make setup brings it"
)


@pytest.fixture(scope="module")
def known() -> Iterator[Description]:
    link = Link(open_transport("sim://"), first_id=1)
    yield Device(link).description()
    link.close()


def put(path: Path, known: Description, raws: list[bytes]) -> None:
    with Store(path) as store:
        store.put_device(SERIAL, fw="0.2.0", micropython="1", boot=1, head=0, description=known)
        store.append(SERIAL, [decode(raw) for raw in raws], genesis(SERIAL))


def of_type(data: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    resources = [entry["resource"] for entry in data["entry"]]
    return [one for one in resources if one["resourceType"] == kind]


def one_treatment(*, clock: bool = True, reference: int = 78) -> tuple[list[bytes], int]:
    """Two freezes of one patient; the second one is stopped on the way."""
    journal = JournalMaker(SERIAL, utc_s=FIRST_DAY_S if clock else 0)
    journal.add("boot", 1, 200, 1, 0, 11_000, 1)
    journal.add("screening", 1, 1, 2, reference, 2, 0, 3)
    journal.pass_s(60)
    seq = journal.add("armed", 1, 2500, 15_000, 14_987_000, 4, -18_500, 2, reference)
    journal.add("operator", 3, 1, 6, seq)
    journal.add("plan", seq, 3, 1, 200, 2700, 225, 2, 1)
    journal.add("freeze_begin", seq, 1, 15_000, 14_987_000, -18_600, 590, 840, 4850)
    journal.pass_s(15)
    journal.add("freeze_end", seq, 1, 1, 15_000, 14_987_000, 14_987_000, -19_000, 550, state=6)
    journal.add("estimate", seq, 1, 2100, 220, 12_000, 0, 2700, 1)
    journal.add("freeze_begin", seq, 2, 15_000, 14_987_000, -18_600, 590, 840, 4850)
    journal.pass_s(5)
    journal.add("freeze_end", seq, 2, 4, 15_000, 14_987_000, 4_987_000, -19_100, 550, state=6)
    journal.add("treatment_end", seq, 4, 2, 1, 20_000, -19_100, 1, reference)
    return journal.raws, seq


@needs_extra
def test_a_bundle_from_the_command_line(
    store_path: Path, known: Description, tmp_path: Path, capsys: Any
) -> None:
    raws, seq = one_treatment()
    put(store_path, known, raws)
    path = tmp_path / "one.json"
    udi = "(01)01234567890128(21)7"
    assert main(["treatment", str(seq), "--fhir", "--udi", udi, "-o", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verified"] is True
    data = json.loads(path.read_text("utf-8"))
    (procedure,), (device,) = of_type(data, "Procedure"), of_type(data, "Device")
    first, second = of_type(data, "Observation")
    (provenance,) = of_type(data, "Provenance")
    assert procedure["status"] == "stopped"
    assert procedure["subject"]["identifier"]["value"] == "78"
    assert procedure["performer"][0]["function"]["text"] == "physician"
    assert procedure["performedDateTime"].startswith("20")
    assert any("Overridden by operator 3" in note["text"] for note in procedure["note"])
    assert device["udiCarrier"] == [{"carrierHRF": udi}]
    assert (device["serialNumber"], device["version"][0]["value"]) == (SERIAL, "0.2.0")

    def quantity(observation: dict[str, Any], words: str) -> tuple[float, str]:
        (found,) = [c for c in observation["component"] if c["code"]["text"] == words]
        return float(found["valueQuantity"]["value"]), found["valueQuantity"]["code"]

    assert quantity(first, "lowest nozzle temperature") == (-190.0, "Cel")
    assert quantity(first, "delivered time of flow") == (15_000, "ms")
    assert quantity(first, "estimated depth of the isotherm") == (2100, "um")
    assert quantity(second, "delivered time of flow") == (5000, "ms")
    links = {entry["fullUrl"] for entry in data["entry"]}
    assert {target["reference"] for target in provenance["target"]} < links
    assert first["partOf"][0]["reference"] in links
    assert provenance["extension"][0]["valueBoolean"] is True
    assert f"of {SERIAL} verified" in provenance["text"]["div"]


@needs_extra
@pytest.mark.parametrize("clock", [True, False])
def test_every_treatment_of_a_practice_is_valid(
    store_path: Path, known: Description, clock: bool
) -> None:
    """Power cuts, stops, faults and clocks that were not set: FHIR has a place for each."""
    practice = Practice(SERIAL, 5, clock=clock)
    practice.treat(20)
    put(store_path, known, practice.journal.raws)
    statuses: set[str] = set()
    with Store(store_path) as store:
        for serial, treatment in store.treatments(Wanted()):
            told = story(store, serial, treatment, known)
            data = json.loads(fhir.checked(fhir.bundle(told, "0.2.0", MADE)))
            assert len(of_type(data, "Observation")) == len(told["freezes"])
            (procedure,) = of_type(data, "Procedure")
            assert clock or treatment.when_s or "performedDateTime" not in procedure
            statuses.add(procedure["status"])
    assert {"completed", "not-done", "stopped"} <= statuses


@needs_extra
def test_what_is_not_known_is_said_to_be_unknown(store_path: Path, known: Description) -> None:
    raws, seq = one_treatment(clock=False, reference=0)
    put(store_path, known, raws)
    with Store(store_path) as store:
        treatment = store.treatment(SERIAL, seq)
        assert treatment is not None
        told = story(store, SERIAL, treatment, known)
    data = json.loads(fhir.checked(fhir.bundle(told, "0.2.0", MADE)))
    (procedure,), (device,) = of_type(data, "Procedure"), of_type(data, "Device")
    assert procedure["subject"] == {"display": "no patient number was entered"}
    assert procedure["_performedDateTime"]["extension"][0]["valueCode"] == "unknown"
    assert device["udiCarrier"][0]["_carrierHRF"]["extension"][0]["valueCode"] == "unknown"


@needs_extra
def test_a_broken_chain_is_in_the_bundle(store_path: Path, known: Description, capsys: Any) -> None:
    raws, seq = one_treatment()
    raws[-1] = raws[-1][:20] + b"\x05" + raws[-1][21:]
    with Store(store_path) as store:
        store.put_device(SERIAL, fw="0.2.0", micropython="1", boot=1, head=0, description=known)
        store.append(SERIAL, [decode(raw) for raw in raws], genesis(SERIAL), keep_broken=True)
    assert main(["treatment", str(seq), "--fhir"]) == 5
    (provenance,) = of_type(json.loads(capsys.readouterr().out), "Provenance")
    assert provenance["extension"][0]["valueBoolean"] is False
    assert "BROKEN" in provenance["activity"]["text"]


@needs_extra
def test_an_invalid_bundle_is_refused() -> None:
    """That the check can fail at all."""
    with pytest.raises(LocalError, match="not valid FHIR"):
        fhir.checked({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {
            "resourceType": "Procedure", "status": "completed"}}]})  # fmt: skip


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fhir.resources.R4B.bundle", None)
    with pytest.raises(LocalError, match="--fhir needs the extra 'fhir' of cryodose"):
        fhir.checked({})


@pytest.mark.parametrize("words", [["-o", "x"], ["--udi", "x"], ["--fhir", "--json"]])
def test_options_that_do_not_belong_together(words: list[str], store_path: Path) -> None:
    assert main(["treatment", "1", *words]) == 2
