"""Integers of the device in a person's words, and back."""

import pytest

from host_tools import units
from host_tools.errors import UsageError


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("2.5mm", "um", 2500),
        ("2.5 mm", "um", 2500),
        ("2300", "um", 2300),
        ("2300um", "um", 2300),
        ("1_000", "um", 1000),
        ("12s", "ms", 12000),
        ("0.25 min", "ms", 15000),
        ("17.3S", "ms", 17300),
        ("0.9bar", "mbar", 900),
        ("90 kPa", "mbar", 900),
        ("10%", "permille", 100),
        ("4.3 V", "mV", 4300),
        ("-25 ppm", "ppm", -25),
        ("-190.12C", "c_x100", -19012),
        ("+7", "step", 7),
        ("on", "bool", 1),
        ("1e3", "um", 1000),
    ],
)
def test_what_is_typed_becomes_the_devices_integer(text: str, unit: str, value: int) -> None:
    assert units.parse(text, unit) == value


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("2.5", "um"),  # no unit: 2.5 um is not meant, and 2.5 mm must not be guessed
        ("2.3456mm", "um"),  # nothing is rounded
        ("2.5V", "um"),
        ("mm", "um"),
        ("", "um"),
        ("two", "um"),
        ("5mm", "step"),
        ("nan", "um"),
        ("1-2mm", "um"),
        ("on", "um"),
    ],
)
def test_what_does_not_fit_is_refused(text: str, unit: str) -> None:
    with pytest.raises(UsageError):
        units.parse(text, unit)


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (2300, "um", "2.3 mm"),
        (10000, "um", "10 mm"),
        (17300, "ms", "17.3 s"),
        (-19012, "c_x100", "-190.12 °C"),
        (0, "um", "0 mm"),
        (874, "permille", "87.4 %"),
        (2, "step", "2"),
        (5, "lumen", "5 lumen"),
        (None, "um", "–"),
        (1, "bool", "on"),
        (12, "seq", "#12"),
        (1717318800, "s since 1970 UTC", "2024-06-02 09:00:00 UTC"),
        (0, "s since 1970 UTC", "not set"),
        (-19012, "0.01 degC", "-190.12 °C"),
        (17_287_500, "us", "17.2875 s"),
        (12_000, "us", "12 ms"),
        (3, "1=panel 2=host", "3"),
    ],
)
def test_values_in_words(value: int | None, unit: str, words: str) -> None:
    assert units.show(value, unit) == words


def test_ranges_and_names() -> None:
    assert units.show_range(500, 6000, "um") == "0.5…6 mm"
    assert units.bare("dose_ms", "ms") == "dose"
    assert units.bare("min_c_x100", "c_x100") == "min"
    assert units.bare("ms", "ms") == "ms"
    assert units.bare("fault", "") == "fault"


@pytest.mark.parametrize("unit", [name for name in units.UNITS if units.UNITS[name].accepted])
@pytest.mark.parametrize("value", [0, 1, -7, 12345, 1000000])
def test_what_is_shown_can_be_typed(unit: str, value: int) -> None:
    assert units.parse(units.show(value, unit), unit) == value
