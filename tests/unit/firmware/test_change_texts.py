"""Display text of a host-requested change: H-13."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryo import languages, schema, texts, value_format

from tests.unit.firmware.test_texts import columns, lines


@pytest.fixture(autouse=True)
def english_afterwards() -> Iterator[None]:
    """Closes a language's glyph file."""
    yield
    texts.use(1)


@pytest.mark.hazard("H-13")
@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("depth_um", 2300, "2.3 mm"),
        ("depth_um", 10_000, "10.0 mm"),
        ("margin_um", 50, "0.05 mm"),
        ("margin_um", 1255, "1.255 mm"),
        ("valve_open_lag_us", 12_000, "12.0 ms"),
        ("valve_close_lag_us", 25_040, "25.04 ms"),
        ("arm_level_min_permille", 100, "10.0 %"),
        ("freeze_level_min_permille", 55, "5.5 %"),
        ("crystal_trim_ppm", -40, "-40 ppm"),
        ("arm_pressure_min_mbar", 300, "300 mbar"),
        ("prechill", 0, "off"),
        ("screening", 1, "on"),
        ("trigger_mode", 1, "hold"),
        ("trigger_mode", 2, "press"),
        ("target", 1, "-25 C"),
        ("target", 2, "-50 C"),
        ("applicator", 3, "Spray A 20mm"),
        ("profile", 3, "Plantar wart"),
        ("cycles", 2, "2"),
        ("patient_last", 12, "12"),
        ("thaw_min_s", 60, "60 s"),
    ],
)
def test_a_value_as_it_is_said(key: str, value: int, text: str) -> None:
    assert texts.use(1)
    assert "".join(value_format.said(schema.index_of(key), value)) == text


@pytest.mark.hazard("H-13")
@pytest.mark.parametrize("number", range(1, len(languages.CODES) + 1))
@pytest.mark.parametrize(
    "index", [i for i, row in enumerate(schema.SETTINGS) if row[6] == schema.DEVICE]
)
def test_every_change_fits_on_the_display(number: int, index: int) -> None:
    """From and to the ends of its range, with its unit, in the layout of screens.py."""
    assert texts.use(number)
    row = schema.SETTINGS[index]
    name = lines(texts.setting(row[0]))
    values = {row[3], row[4], row[5], row[4] - 1, (row[3] + row[4]) // 2}
    for old in values:
        for value in values - {old}:
            before, unit = value_format.said(index, old)
            after, same = value_format.said(index, value)
            assert unit == same
            assert before != after
            if len(name) == 1:
                assert columns(before + unit) <= 16
                assert columns("->" + after + unit) <= 16, (name, after)
            else:
                assert columns(before + "->" + after + unit) <= 16, (name, before, after)
