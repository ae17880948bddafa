"""The circuit: its pins are hardware.md's, its pages are up to date, and SPICE keeps its claims."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from hw_sim.electrical import circuits, page, schematic, trials
from hw_sim.electrical.circuits import Draw
from hw_sim.electrical.parts import PARTS, PICO_PINS, SECTIONS
from tests.rules.source import ROOT, text_of

DOCS = ROOT / "docs"
MISSING = pytest.mark.skipif(not circuits.available(), reason=circuits.MISSING)
NOMINAL, CORNER = circuits.draws(2)


def changed(board: Draw, ref: str, factor: float) -> Draw:
    return replace(board, factor={**board.factor, ref: factor})


def margins(trial: str, board: Draw) -> dict[str, float]:
    figures = trials.TRIALS[trial](board)
    return {c.figure: c.margin([figures[c.figure]]) for c in trials.CLAIMS if c.trial == trial}


def pins_of_the_page() -> dict[str, set[str]]:
    """Number of each GP -> the names that its row of hardware.md gives it."""
    text = text_of(DOCS / "hardware.md")
    table = text[text.index("## Pins") :]
    rows = re.findall(r"^\| (GP\d+[^|]*)\| ([^|]+)\|", table, re.MULTILINE)
    pins: dict[str, set[str]] = {}
    for numbers, names in rows:
        found = re.findall(r"GP\d+", numbers)
        words = re.findall(r"[A-Z][A-Z_-]+(?:/\d)?", names)
        colours = [f"LED_{c.upper()}" for c in re.findall("green|yellow|red", names)]
        in_order = colours or words
        for i, number in enumerate(found):
            pins[number] = {in_order[i] if len(found) > 1 else in_order[0]}
    return pins


def test_the_pins_are_those_of_the_hardware_page() -> None:
    on_the_page = pins_of_the_page()
    assert on_the_page.pop("GP29") == {"VSYS/3"}  # on the Pico itself
    assert on_the_page == {number: {net} for number, net in PICO_PINS.items()}


def test_every_net_joins_two_pins_and_every_reference_is_used_once() -> None:
    assert len(PARTS) == sum(len(parts) for parts in SECTIONS.values())
    pins = Counter(net for part in PARTS.values() for net in part.nets.values())
    alone = {net for net, count in pins.items() if count < 2}
    assert not alone, "a net with one pin is a wire to nowhere"


def test_spice_leaves_out_no_part_of_the_driver() -> None:
    driver = {p.ref for p in SECTIONS["Coil driver"] + SECTIONS["Regulator of the coil's current"]}
    # The E-stop's contact and the supplies are the trial's; the clamp D3 does nothing within 3.3 V.
    assert driver - set(circuits.DRIVER) == {"J2", "J3", "D3"}
    assert set(circuits.DRIVER) <= driver


def test_the_bill_of_materials_is_up_to_date() -> None:
    assert text_of(DOCS / "bom.md") == page.bill(), "to mend it: make electrical"


def test_the_drawing_shows_each_part_once_and_is_up_to_date(tmp_path: Path) -> None:
    assert sorted(schematic.draw(tmp_path)) == sorted(PARTS)
    for path in tmp_path.iterdir():
        assert text_of(path) == text_of(DOCS / path.name), "to mend it: make electrical"


def test_the_page_belongs_to_these_parts_and_every_margin_on_it_is_enough() -> None:
    text = text_of(DOCS / "electrical.md")
    assert f"Parts {circuits.fingerprint()}." in text, "the parts changed: make electrical"
    for claim in trials.CLAIMS:
        row = next(line for line in text.splitlines() if line.startswith(f"| {claim.text} |"))
        assert float(row.split("|")[5].strip(" >")) >= page.NEEDED, row


@MISSING
@pytest.mark.hazard("H-04", "H-11")
@pytest.mark.parametrize("board", [NOMINAL, CORNER], ids=["nominal", "corner"])
def test_pins_that_nothing_drives_are_low(board: Draw) -> None:
    assert min(margins("reset", board).values()) >= page.NEEDED


@MISSING
def test_a_pull_down_of_4k7_would_not_do() -> None:
    """The trial can fail: it is why the pull-downs are 2.2 kilohm."""
    leaky = replace(NOMINAL, spread={**NOMINAL.spread, "leak_ua": 120.0})
    assert margins("reset", changed(leaky, "R11", 4.7 / 2.2))["gate_v"] < page.NEEDED


@MISSING
@pytest.mark.hazard("H-05")
@pytest.mark.parametrize("board", [NOMINAL, CORNER], ids=["nominal", "corner"])
def test_one_shorted_switch_alone_gives_no_current(board: Draw) -> None:
    assert min(margins("shorts", board).values()) >= page.NEEDED


@MISSING
@pytest.mark.hazard("H-01", "H-05")
def test_the_fly_back_stays_below_every_rating() -> None:
    assert min(margins("flyback", NOMINAL).values()) >= page.NEEDED


@pytest.mark.slow
@MISSING
@pytest.mark.hazard("H-03")
def test_the_estops_contact_alone_ends_the_current() -> None:
    assert min(margins("estop", CORNER).values()) >= page.NEEDED


@MISSING
@pytest.mark.hazard("H-11")
def test_no_brown_out_drives_both_switches() -> None:
    assert min(margins("brownout", NOMINAL).values()) >= page.NEEDED


@MISSING
def test_without_the_supervisor_a_brown_out_drives_both() -> None:
    """The trial can fail: a supervisor that acts at 1.3 V lets both switches be on below 2.9 V."""
    figures = trials.brownout(changed(NOMINAL, "U2", 0.45))
    assert figures["pins_late_a"] > trials.COIL_OFF_A


@MISSING
def test_the_filters_do_not_falsify_what_the_program_reads() -> None:
    assert min(margins("filters", CORNER).values()) >= page.NEEDED


def test_a_missing_ngspice_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(circuits.NgspiceMissing, match="apt install ngspice"):
        circuits.run("* empty\n.end", [])
