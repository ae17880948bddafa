"""The campaign: the same draws each time, and bars that can be missed."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from hw_sim.dose import campaign, campaign_page, trials
from hw_sim.dose.applicators import APPLICATORS, PROBE, SPRAY, by_number
from hw_sim.dose.trials import Outcome, draw
from hw_sim.world.plant.tissue import Exposure


def outcome(number: int, error: float, strategy: str = "device", **other: float) -> Outcome:
    reached = 2.5 * (1.0 + error)
    return Outcome(
        number=number, strategy=strategy, applicator=1 + number % 7, lesion_mm=2.0, plan_mm=2.5,
        seconds=15.0, reached_mm=reached, at_end_mm=reached, line_c=-20.0, **other,
    )  # fmt: skip


def row(outcomes: list[Outcome], what: str) -> campaign_page.Figure:
    return next(
        figure for figure in campaign_page.figures(outcomes) if figure.what.startswith(what)
    )


def test_a_treatment_is_the_same_whenever_it_is_drawn() -> None:
    assert draw(1, 7) == draw(1, 7)
    assert draw(1, 7) != draw(2, 7)
    drawn = [draw(trials.SEED, number) for number in range(trials.COUNT)]
    assert {one.applicator for one in drawn} == {one.number for one in APPLICATORS}
    factors = [one.h_factor for one in drawn]
    within = sum(abs(factor - 1.0) < trials.H_SIGMA for factor in factors) / len(factors)
    assert 0.58 < within < 0.78


def test_quantiles() -> None:
    assert campaign_page.quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert campaign_page.quantile([0.0, 1.0], 0.95) == pytest.approx(0.95)
    assert campaign_page.quantile([5.0], 0.95) == 5.0


def test_limits_are_met_and_missed() -> None:
    close = [outcome(i, 0.04 * (-1) ** i) for i in range(40)]
    assert row(close, "depth reached against plan: median").met
    assert row(close, "depth reached against plan").met
    far = [replace(one, reached_mm=2.5 * 0.8) for one in close]
    assert row(far, "depth reached against plan: median").met is False
    three = [*close[:37], *far[37:]]  # 7.5 % of them are outside
    assert row(three, "depth reached against plan: median").met
    missed = next(
        f for f in campaign_page.figures(three)[1:] if f.what == "depth reached against plan"
    )
    assert missed.met is False


def test_a_silent_shortfall_is_counted_and_a_reported_one_is_not() -> None:
    short = outcome(1, -0.4)  # 0.5 mm above the lesion's base
    assert short.short_mm == pytest.approx(0.5)
    assert row([short], "short of the lesion").met is False
    assert row([replace(short, warned=True)], "short of the lesion").met
    assert row([outcome(1, -0.15)], "short of the lesion").met


def test_a_figure_that_the_device_does_not_give_is_a_missed_limit() -> None:
    some = [outcome(i, 0.0) for i in range(10)]
    assert row(some, "live estimate").met is False
    told = [replace(one, estimate_mm=2.4) for one in some]
    assert row(told, "live estimate at").met
    assert row([replace(one, estimate_mm=2.0) for one in some], "live estimate at").met is False


def test_a_probe_is_in_contact_only_while_the_valve_is_open() -> None:
    one = replace(draw(1, 1), applicator=6, h_factor=1.0)
    tip = [(t * 50_000_000, -100.0 - t) for t in range(100)]
    exposed = trials.touched(one, [], tip, 1_000_000_000, 3_000_000_000)
    rows = exposed.rows()
    assert rows[0] == (0.0, 1000.0, -120.0)
    assert rows[-1][:2] == (2.0, 0.0)
    assert isinstance(exposed, Exposure)


def test_a_warm_line_costs_the_stopwatch_more_than_a_cold_one() -> None:
    one = replace(draw(1, 1), applicator=2, line_c=20.0, mbar=500.0)
    warm, cold = (trials.with_stopwatch(one, name, 2.5, 3.0) for name in trials.STOPWATCHES)
    assert warm.reached_mm < cold.reached_mm - 0.3


@pytest.mark.parametrize("kind", [SPRAY, PROBE])
def test_a_whole_treatment(kind: int) -> None:
    """From power-on, with what the device asks for on the way."""
    one = next(
        one for one in (draw(3, i) for i in range(50))
        if by_number(one.applicator).kind == kind and one.applicator in (2, 4)
    )  # fmt: skip
    told = trials.with_device(one, "device", trials.STRATEGIES["device"])
    assert told.ended in ("DONE", "THAWING", "READY")
    assert told.purges >= 1
    assert 9.9 < told.seconds < 30.1
    assert abs(told.error) < 0.25
    assert told.lesion_mm < told.plan_mm
    assert Outcome(**json.loads(json.dumps(asdict(told)))) == told


def test_a_purge_is_not_counted_as_the_freeze(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line is found warm just as the operator presses TRIGGER: a purge comes first."""
    operator = trials.TrialOperator(draw(trials.SEED, 0), infrared=False)
    operator.start(trials.STRATEGIES["device"])
    operator.warm_line()
    operator.arm()
    bench = operator.bench
    hold = bench.hold
    late: list[str] = []

    def hold_late(key: str, *args: float) -> None:
        if key == "trigger" and operator.state == "ARMED" and not late:
            late.append(key)
            bench.plant.set_line(bench.clock.now_ns, wall_c=20.0, tip_c=20.0)
            bench.run_for(1500)
        hold(key, *args)

    monkeypatch.setattr(bench, "hold", hold_late)
    purges = operator.purges
    begin_ns, end_ns = operator.aimed_freeze()
    assert late
    assert operator.purges > purges
    assert "PRECHILL" in operator.states[-6:]
    assert (end_ns - begin_ns) * 1e-9 >= 9.9  # a purge ends long before
    assert operator.states[-1] != "PRECHILL"


def test_the_page(tmp_path: Path) -> None:
    some = [outcome(i, 0.03 * (-1) ** i, name) for i in range(8) for name in ("device", "no purge")]
    text, table = campaign_page.page(some, 1, 9)
    assert "Nothing was" in text
    assert len(table) > 10
    assert "−40…0 °C" in text
    assert next(row for row in table if "without a freeze" in row.what).measured == "1", (
        "8 of 9 froze"
    )
    campaign_page.plot(some, tmp_path / "campaign.png")
    assert (tmp_path / "campaign.png").stat().st_size > 1000


def test_the_floor_is_what_the_coefficient_alone_makes() -> None:
    """Probes ten per cent off by their coefficient, the estimate two more: separate rows.

    Sprays could be exact; a probe cannot be better than its coefficient is known.
    """
    some = [
        replace(
            outcome(i, 0.1 if one.kind == PROBE else 0.0, "depth mode"),
            applicator=one.number,
            known_mm=2.5,
            plain_mm=2.5,
            estimate_mm=2.55,
        )
        for i, one in enumerate(APPLICATORS)
    ]
    floors = [row for row in campaign_page.figures(some) if "at best" in row.what]
    seven, probes, *_ = [row.value for row in floors]
    assert seven == pytest.approx(4 / 7)
    assert probes == 0.0
    assert all(row.met is None for row in floors), "a floor has no limit"
    assert some[0].floor == pytest.approx(2.5 / some[0].at_end_mm - 1.0)
    probe = next(one for one in some if by_number(one.applicator).kind == PROBE)
    assert probe.floor == pytest.approx(1 / 1.1 - 1.0)
    assert probe.floor_control == pytest.approx(0.1)
    table = campaign_page.budget_table(some)
    assert "−9.1 %, ±9.1 %" in table
    assert "+2.0 %, ±2.0 %" in table


def lines_of(path: Path, key: str, outcomes: list[Outcome], tail: str = "") -> Path:
    rows = [json.dumps({"key": key}), *(json.dumps(asdict(one)) for one in outcomes)]
    path.write_text("\n".join(rows) + "\n" + tail, encoding="utf-8")
    return path


def test_kept_outcomes_count_for_this_firmware_and_seed_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a change of firmware, plant or seed the run starts again, with a message."""
    some = [outcome(1, 0.1), outcome(2, 0.0)]
    path = lines_of(tmp_path / "lines.jsonl", trials.key(7), some, tail='{"number": 3, "str')
    assert trials.kept(path, 7) == some, "an incomplete line is repeated"
    assert trials.kept(path, 8) == []
    assert "starting again" in capsys.readouterr().err
    assert trials.kept(tmp_path / "none.jsonl", 7) == []
    path.write_text("\n".join(json.dumps(asdict(one)) for one in some), encoding="utf-8")
    assert trials.kept(path, 7) == [], "lines without a key: an older format"

    copy = tmp_path / "root"
    for name in (
        "firmware/cryo/dose.py",
        "hw_sim/world/plant/line.py",
        "hw_sim/dose/campaign_page.py",
    ):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((trials.ROOT / name).read_bytes())
    monkeypatch.setattr(trials, "ROOT", copy)
    keys = [trials.key(7)]
    for name in ("firmware/cryo/dose.py", "hw_sim/world/plant/line.py"):
        with (copy / name).open("a", encoding="utf-8") as file:
            file.write("# changed\n")
        keys.append(trials.key(7))
    assert len(set(keys)) == 3
    (copy / "hw_sim/dose/campaign_page.py").write_text("", encoding="utf-8")
    assert trials.key(7) == keys[-1], "the page's layout does not change the outcomes"


def test_two_processes_give_the_same_in_the_same_order() -> None:
    before = [outcome(i, 0.0) for i in range(6)]
    one, two = (
        [asdict(o) for some in trials.run(5, 6, trials.STOPWATCHES, before, jobs) for o in some]
        for jobs in (1, 2)
    )
    assert one == two
    assert [(o["number"], o["strategy"]) for o in one] == [
        (i, name) for i in range(6) for name in trials.STOPWATCHES
    ]


def test_the_command_goes_on_where_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Written, resumed without repeating a treatment, and started again for another seed."""
    lines = tmp_path / "lines.jsonl"
    asked = ["--count", "2", "--lines", str(lines), "--folder", str(tmp_path), "--only", "device"]
    runs: list[int] = []

    def treated(one: trials.Draw, strategy: str, _settings: dict[str, int]) -> Outcome:
        runs.append(one.number)
        return outcome(one.number, 0.01, strategy)

    monkeypatch.setattr(trials, "with_device", treated)
    assert campaign.main(asked) == 1, "no estimate: bars are missed"
    assert runs == [0, 1]
    first = lines.read_text(encoding="utf-8")
    assert campaign.main([*asked, "--resume"]) == 1
    assert runs == [0, 1]
    assert lines.read_text(encoding="utf-8") == first
    assert campaign.main([*asked, "--resume", "--seed", "9"]) == 1
    assert runs == [0, 1, 0, 1]
    assert "MISSED" in capsys.readouterr().out
    assert "2 random treatments" in (tmp_path / "campaign.md").read_text(encoding="utf-8")
