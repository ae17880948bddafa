"""Treatments out of journal records: one pass over the records of a device, in their order.

Pure; imports the standard library, `records`, `description` and `wall_clock`. `projection` keeps
the result in the store. What the records mean: docs/protocol.md, "Journal records". Kinds, fields
and codes are found by the names that the device gave them; a kind that it does not know gives
nothing here.

A treatment is known by the number of its `armed` record. What comes before it (checklist, purges)
is held back until then; what comes after it names it. A treatment that never ended is closed by
the next start of the device, by the next treatment, or by a gap in what is stored.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from host_tools.description import Description
from host_tools.records import Record
from host_tools.wall_clock import (
    BY_DEVICE,
    CHIP_LOST,
    DISPUTED,
    NOT_BEFORE,
    SYNCHRONISED,
    UNKNOWN,
    Moment,
    Synchronisation,
    Synchronisations,
    ceil_s,
    floor_s,
)

UNDER_WAY = "under way"
NOT_FROZEN = "not frozen"
POWER_LOST = "power lost"
RESET = "reset"
NO_END = "no end recorded"
"""Results that the host concludes. All others are the device's own words for `why` of its record
`treatment_end`: complete, freeze ended early, stopped, fault, timed out."""

SHORT = "short of the lesion"
TOO_DEEP = "deeper than the safe depth of the site"
DEPTH_UNKNOWN = "depth unknown"
NOT_STABLE = "not stable after"
OVERRIDDEN = "checklist overridden"
"""Alerts that are no fault of the device."""

_HELD_BACK = 32
"""Most checklists and purges that wait for their `armed` record; the oldest goes first."""

_FAULT_WINDOW_MS = 60_000
"""A fault this long after the end of a treatment still belongs to it (a valve that stays open)."""

_ALERTING = {SHORT, TOO_DEEP}
"""Notes of an estimate, as the device words them, that are alerts."""
_UNKNOWN = -1
"""Depth of an estimate that the skin's surface did not bear out."""
_WATCHDOG = "watchdog"


@dataclass(slots=True)
class Cycle:
    """One freeze. Times in ms or µs, temperatures in 0.01 °C; None: not recorded."""

    begin_seq: int
    """Number of its `freeze_begin` record (of its end, where that alone is stored)."""
    treatment: int
    cycle: int = 0
    dose_ms: int | None = None
    planned_us: int | None = None
    delivered_us: int | None = None
    """Time of the gate high; None while it is not known (lost, under way)."""
    least_us: int | None = None
    most_us: int | None = None
    """Bounds of a freeze that was cut short by a reset or a loss of power."""
    cause: str = ""
    nozzle_c_x100: int | None = None
    nozzle_min_c_x100: int | None = None
    pressure_mbar: int | None = None
    pressure_min_mbar: int | None = None
    level_permille: int | None = None
    supply_mv: int | None = None
    ice_field_ms: int | None = None
    estimate_um: int | None = None
    estimate_spread_um: int | None = None
    liquid_ms: int | None = None
    aim_um: int | None = None
    """Depth with margin that the estimate was compared with."""
    note: str = ""
    thaw_ms: int | None = None
    thaw_by: str = ""

    @property
    def delivered_ms(self) -> int:
        """Time of flow, ms: the gate's, corrected by the valve's lags as in the plan."""
        if not self.delivered_us:
            return 0
        lag_us = (self.dose_ms or 0) * 1000 - (self.planned_us or 0)
        return max(0, self.delivered_us + lag_us) // 1000


@dataclass(slots=True)
class Treatment:
    """One treatment of one device. 0 as reference or operator: none; None: not recorded."""

    seq: int
    """Number of its `armed` record: the treatment's number."""
    boot: int
    uptime_ms: int
    utc_s: int
    """As recorded; 0 when the device's clock was not set. Never changed."""
    when_s: int
    """By the world's clock: the middle of its bounds, else the device's own, else the newest time
    known before it; 0: nothing is known."""
    when_how: str
    """`wall_clock`: SYNCHRONISED, DISPUTED, BY_DEVICE, NOT_BEFORE, UNKNOWN."""
    earliest_s: int | None = None
    latest_s: int | None = None
    reference: int = 0
    operator: int = 0
    role: str = ""
    profile: int | None = None
    applicator: int | None = None
    depth_um: int | None = None
    margin_um: int | None = None
    target: str = ""
    plan_um: int | None = None
    spread_um: int | None = None
    table_version: int | None = None
    dose_ms: int | None = None
    """Planned for one freeze."""
    cycles: int | None = None
    """Planned freezes."""
    complete: int = 0
    delivered_ms: int = 0
    """Of all freezes; a lost one counts with its least."""
    most_ms: int = 0
    """As `delivered_ms`; a lost freeze counts with its most."""
    nozzle_min_c_x100: int | None = None
    estimate_um: int | None = None
    """Deepest estimate of its freezes."""
    interruptions: int = 0
    result: str = UNDER_WAY
    end_seq: int = 0
    """Number of the record that ended it; 0: none."""
    reason: str = ""
    """Why it was disarmed, if it was."""
    checklist: str = ""
    """How its checklist was answered; empty: none was recorded."""
    present: int = 0
    overridden: int = 0
    override_by: int = 0
    observation: str = ""
    partial: int = 0
    """1: records of it are not stored."""
    faults: list[int] = field(default_factory=list[int])
    notes: list[str] = field(default_factory=list[str])
    records: list[int] = field(default_factory=list[int])
    """Numbers of all records that belong to it, in order."""

    @property
    def planned_ms(self) -> int | None:
        """Planned time of flow of all freezes."""
        if self.dose_ms is None or self.cycles is None:
            return self.dose_ms
        return self.dose_ms * self.cycles

    def alerts(self, description: Description) -> list[str]:
        """Faults by their names, then what else a reader should see."""
        names = [description.name("faults", number) or f"fault {number}" for number in self.faults]
        return names + self.notes


@dataclass
class State:
    """What a projector has to remember between two records. All of it can be written as JSON."""

    through: int = 0
    boot: int = 0
    known_utc_s: int = 0
    """Newest time that the device has stated."""
    clock: dict[str, Any] = field(default_factory=dict[str, Any])
    """`Synchronisations`, as they are so far."""
    current: int = 0
    """Treatment that has not ended, 0 = none."""
    late: int = 0
    """Treatment whose faults may still come, and until when (uptime)."""
    late_until_ms: int = 0
    watched: int = 0
    """Purge that has begun and has no end, 0 = none."""
    purges: list[int] = field(default_factory=list[int])
    """Records of purges that wait for their `armed` record."""
    asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Checklists that wait for their `armed` record."""
    cleared: dict[str, Any] = field(default_factory=dict[str, Any])
    """The last complete checklist of this start."""


Handler = Callable[[Record, Mapping[str, int]], None]


class Projector:
    """Takes records in order; `treatments` and `cycles` hold what they changed.

    `load` finds a treatment, `load_cycles` the freezes of one, that an earlier projector made;
    `later` the numbers of those behind a record. The owner saves and forgets the changes.
    """

    def __init__(
        self,
        description: Description,
        state: State,
        load: Callable[[int], Treatment | None] = lambda seq: None,
        load_cycles: Callable[[int], list[Cycle]] = lambda seq: [],
        later: Callable[[int], list[int]] = lambda seq: [],
    ) -> None:
        self.state = state
        self.treatments: dict[int, Treatment] = {}
        self.cycles: dict[int, list[Cycle]] = {}
        self._load, self._load_cycles, self._later = load, load_cycles, later
        self._clock = Synchronisations(**state.clock)
        state.clock = vars(self._clock)
        self._meaning = description.meaning
        self._kinds: dict[int, tuple[Handler, tuple[str, ...], dict[str, str]]] = {}
        for number, kind in description.kinds.items():
            handler: Handler | None = getattr(self, f"_on_{kind.name}", None)
            if handler is not None:
                names = tuple(name for name, _ in kind.fields)
                self._kinds[number] = (handler, names, dict(kind.fields))
        self._units: dict[str, str] = {}
        self._cut_off: Treatment | None = None

    def feed(self, record: Record) -> None:
        """Take the next record."""
        state = self.state
        if record.seq != state.through + 1 and (state.through or record.seq > 1):
            self._gap()
            self._clock.broken(record.seq)
        state.through = record.seq
        self._cut_off = None
        if record.boot != state.boot:
            self._start(record)
        row = self._kinds.get(record.kind)
        if row is not None:
            handler, names, self._units = row
            handler(record, dict(zip(names, record.arguments, strict=False)))
        if record.utc_s:
            state.known_utc_s = record.utc_s

    def forget(self) -> None:
        """The changes have been saved."""
        self.treatments.clear()
        self.cycles.clear()

    # -- look-ups -----------------------------------------------------------------------------

    def _word(self, name: str, value: int) -> str:
        """The device's own word for a code, else its number."""
        return self._meaning(name, self._units.get(name, ""), value) or str(value)

    def _treatment(self, seq: int) -> Treatment | None:
        """A treatment that is stored or was made before; it counts as changed."""
        known = self.treatments.get(seq)
        if known is None and (known := self._load(seq)) is not None:
            self.treatments[seq] = known
        return known

    def _of(self, record: Record, fields: Mapping[str, int]) -> Treatment | None:
        """The treatment that a record names. One whose `armed` record is not stored is made up."""
        seq = fields.get("treatment", 0)
        if not 0 < seq < record.seq:
            return None
        treatment = self._treatment(seq)
        if treatment is None:
            treatment = self._new(record, seq)
            treatment.partial = 1
            treatment.result = NO_END
            self._date(treatment)
        treatment.records.append(record.seq)
        return treatment

    def _new(self, record: Record, seq: int) -> Treatment:
        made = Treatment(seq, record.boot, record.uptime_ms, record.utc_s, 0, UNKNOWN)
        self._date(made)
        self.treatments[seq] = made
        return made

    def _date(self, treatment: Treatment, after: Synchronisation | None = None) -> None:
        """When it was, by what is known now; `after`: the clock is being set."""
        moment = Moment(treatment.boot, treatment.uptime_ms, treatment.utc_s)
        found = self._clock.bound(treatment.seq, moment, after, whole=not treatment.partial)
        treatment.when_how = found.how
        treatment.earliest_s = floor_s(found.earliest_ms)
        treatment.latest_s = ceil_s(found.latest_ms)
        if found.how in (SYNCHRONISED, DISPUTED):
            treatment.when_s = found.centre_s
        elif found.how == BY_DEVICE:
            treatment.when_s = treatment.utc_s
        else:
            if after is None:
                treatment.when_s = self.state.known_utc_s
            treatment.when_how = NOT_BEFORE if treatment.when_s else UNKNOWN

    def _freezes(self, treatment: int) -> list[Cycle]:
        if treatment not in self.cycles:
            self.cycles[treatment] = self._load_cycles(treatment)
        return self.cycles[treatment]

    def _freeze(self, record: Record, treatment: Treatment, number: int) -> Cycle:
        """The newest freeze with this number; one is made up when its beginning is not stored."""
        freezes = self._freezes(treatment.seq)
        for cycle in reversed(freezes):
            if cycle.cycle == number:
                return cycle
        made = Cycle(record.seq, treatment.seq, number)
        freezes.append(made)
        treatment.partial = 1
        return made

    # -- endings that no record states ----------------------------------------------------------

    def _close(self, result: str) -> None:
        """The current treatment goes on no more, though no record says how it ended."""
        state = self.state
        treatment = self._treatment(state.current) if state.current else None
        if treatment is not None and treatment.result == UNDER_WAY:
            treatment.result = result if self._freezes(treatment.seq) else NOT_FROZEN
        state.current = state.late = 0

    def _gap(self) -> None:
        """Records are not stored: what was under way is not known to its end."""
        state = self.state
        treatment = self._treatment(state.current) if state.current else None
        if treatment is not None:
            treatment.partial = 1
        self._close(NO_END)
        state.purges, state.asked, state.cleared, state.watched = [], [], {}, 0

    def _start(self, record: Record) -> None:
        """The device has started: whatever it was doing is over."""
        state = self.state
        state.boot = record.boot
        state.purges = [seq for seq in state.purges if seq == state.watched]
        state.cleared = {}
        self._cut_off = self._treatment(state.current) if state.current else None
        self._close(POWER_LOST)

    def _on_boot(self, record: Record, fields: Mapping[str, int]) -> None:
        if fields.get("clock") == CHIP_LOST:
            self._clock.broken(record.seq)
        cut_off, self._cut_off = self._cut_off, None
        if cut_off is None or cut_off.result != POWER_LOST:
            return
        if self._word("reset_cause", fields.get("reset_cause", 0)) == _WATCHDOG:
            cut_off.result = RESET

    # -- before a treatment -----------------------------------------------------------------------

    def _on_time_set(self, record: Record, fields: Mapping[str, int]) -> None:
        """The clock is set: that tells when the treatments since it was last set were."""
        now_s = fields.get("new", 0)
        if now_s <= 0:
            return
        before = self._clock.before
        since = before.seq if before is not None else 0
        after = Synchronisation(
            record.seq, record.boot, record.uptime_ms, max(0, fields.get("old", 0)), now_s
        )
        made = {seq for seq in self.treatments if seq > since}
        for seq in sorted(made | set(self._later(since))):
            treatment = self._treatment(seq)
            if treatment is not None:
                self._date(treatment, after)
        self._clock.set_at(after.seq, after.boot, after.uptime_ms, after.old_s, after.new_s)
        self.state.known_utc_s = now_s

    def _on_screening(self, record: Record, fields: Mapping[str, int]) -> None:
        state = self.state
        state.late = 0
        outcome = fields.get("outcome", 0)
        asked = {
            "seq": record.seq, "outcome": outcome, "word": self._word("outcome", outcome),
            "present": fields.get("present", 0), "overridden": fields.get("overridden", 0),
            "ref": fields.get("patient_ref", 0), "operator": fields.get("operator", 0),
        }  # fmt: skip
        state.asked = [*state.asked, asked][-_HELD_BACK:]
        if outcome in _CLEARED:
            state.cleared = asked

    def _on_setting(self, record: Record, fields: Mapping[str, int]) -> None:
        self.state.late = 0

    def _on_prechill_begin(self, record: Record, fields: Mapping[str, int]) -> None:
        self.state.watched = record.seq
        if self._of(record, fields) is None:
            self.state.late = 0
            self._hold(record.seq)

    def _on_prechill_end(self, record: Record, fields: Mapping[str, int]) -> None:
        self.state.watched = 0
        if self._of(record, fields) is None:
            self._hold(record.seq)

    _on_prechill_lost = _on_prechill_end

    def _hold(self, seq: int) -> None:
        self.state.purges = [*self.state.purges, seq][-_HELD_BACK:]

    # -- a treatment ------------------------------------------------------------------------------

    def _on_armed(self, record: Record, fields: Mapping[str, int]) -> None:
        self._close(NO_END)
        state = self.state
        treatment = self._new(record, record.seq)
        treatment.applicator = fields.get("applicator")
        treatment.depth_um = fields.get("depth")
        treatment.dose_ms = fields.get("dose")
        treatment.table_version = fields.get("table_version")
        treatment.reference = fields.get("patient_ref", 0)
        self._take_checklists(treatment)
        treatment.records += state.purges
        treatment.records.append(record.seq)
        treatment.records.sort()
        state.purges = []
        state.current = record.seq

    def _take_checklists(self, treatment: Treatment) -> None:
        """The checklist that cleared this treatment, and the stops and lifts on the way to it.

        A checklist of another patient number never belongs to it; without a number, only the
        complete one before it does, with a stop that was lifted for it (H-18, H-19).
        """
        state, ref = self.state, treatment.reference
        own = [asked for asked in state.asked if asked["ref"] == ref]
        complete = [asked for asked in own if asked["outcome"] in _CLEARED]
        clearing = complete[-1] if complete else None
        if clearing is None and ref and state.cleared.get("ref") == ref:
            clearing = state.cleared  # one answer counts for an hour and several lesions
        kept = own if ref else _lifted_stop(state.asked)
        if clearing is not None:
            treatment.checklist = clearing["word"]
            treatment.present, treatment.overridden = clearing["present"], clearing["overridden"]
            if treatment.overridden:
                treatment.override_by = clearing["operator"]
                treatment.notes.append(OVERRIDDEN)
            if clearing not in kept:
                kept = [*kept, clearing]
        treatment.records += [asked["seq"] for asked in kept]
        taken = {asked["seq"] for asked in kept}
        state.asked = [asked for asked in state.asked if asked["seq"] not in taken]

    def _on_operator(self, record: Record, fields: Mapping[str, int]) -> None:
        of = fields.get("of", 0)
        how = self._word("how", fields.get("how", 0))
        if how != "armed" or of != self.state.current or not of:
            return
        treatment = self._treatment(of)
        if treatment is not None:
            treatment.operator = fields.get("operator", 0)
            treatment.role = self._word("role", fields.get("role", 0))
            treatment.records.append(record.seq)

    def _on_plan(self, record: Record, fields: Mapping[str, int]) -> None:
        treatment = self._of(record, fields)
        if treatment is None:
            return
        treatment.profile = fields.get("profile")
        treatment.target = self._word("target", fields.get("target", 0))
        treatment.margin_um = fields.get("margin")
        treatment.plan_um = fields.get("plan_depth")
        treatment.spread_um = fields.get("spread")
        treatment.cycles = fields.get("cycles")

    def _on_freeze_begin(self, record: Record, fields: Mapping[str, int]) -> None:
        treatment = self._of(record, fields)
        if treatment is None:
            return
        self._freezes(treatment.seq).append(
            Cycle(
                record.seq,
                treatment.seq,
                fields.get("cycle", 0),
                fields.get("dose"),
                fields.get("planned_gate"),
                nozzle_c_x100=fields.get("nozzle"),
                pressure_mbar=fields.get("pressure"),
                level_permille=fields.get("level"),
                supply_mv=fields.get("supply"),
            )
        )

    def _on_freeze_end(self, record: Record, fields: Mapping[str, int]) -> None:
        treatment = self._of(record, fields)
        if treatment is None:
            return
        cycle = self._freeze(record, treatment, fields.get("cycle", 0))
        cycle.cause = self._word("cause", fields.get("cause", 0))
        cycle.dose_ms = fields.get("dose", cycle.dose_ms)
        cycle.planned_us = fields.get("planned_gate", cycle.planned_us)
        cycle.delivered_us = fields.get("delivered_gate")
        cycle.nozzle_min_c_x100 = fields.get("nozzle_min")
        cycle.pressure_min_mbar = fields.get("pressure_min")
        treatment.complete += cycle.cause.startswith("complete")
        self._sum(treatment)

    def _on_freeze_lost(self, record: Record, fields: Mapping[str, int]) -> None:
        treatment = self._of(record, fields)
        if treatment is None:
            return
        cycle = self._freeze(record, treatment, fields.get("cycle", 0))
        by_watchdog = self._word("reset_cause", fields.get("reset_cause", 0)) == _WATCHDOG
        cycle.cause = RESET if by_watchdog else POWER_LOST
        cycle.dose_ms = fields.get("dose", cycle.dose_ms)
        cycle.planned_us = fields.get("planned_gate", cycle.planned_us)
        cycle.least_us = fields.get("delivered_at_least")
        cycle.most_us = fields.get("delivered_at_most")
        treatment.result = cycle.cause
        treatment.end_seq = record.seq
        treatment.interruptions += 1
        self._sum(treatment)
        state = self.state
        state.current = 0
        state.late, state.late_until_ms = treatment.seq, record.uptime_ms + _FAULT_WINDOW_MS

    def _sum(self, treatment: Treatment) -> None:
        """What its freezes have delivered, until `treatment_end` says it."""
        cycles = self._freezes(treatment.seq)
        sure_ms = sum(cycle.delivered_ms for cycle in cycles)
        lost = [cycle for cycle in cycles if cycle.delivered_us is None]
        treatment.delivered_ms = sure_ms + sum((cycle.least_us or 0) // 1000 for cycle in lost)
        treatment.most_ms = sure_ms + sum((cycle.most_us or 0) // 1000 for cycle in lost)
        # The device's figure for a freeze that was cancelled before the valve opened is no reading.
        coldest = [
            cycle.nozzle_min_c_x100
            for cycle in cycles
            if cycle.delivered_us and cycle.nozzle_min_c_x100 is not None
        ]
        treatment.nozzle_min_c_x100 = min(coldest, default=None)

    def _on_ice_field(self, record: Record, fields: Mapping[str, int]) -> None:
        treatment = self._of(record, fields)
        if treatment is not None:
            cycle = self._freeze(record, treatment, fields.get("cycle", 0))
            cycle.ice_field_ms = fields.get("elapsed")

    def _on_estimate(self, record: Record, fields: Mapping[str, int]) -> None:
        treatment = self._of(record, fields)
        if treatment is None:
            return
        cycle = self._freeze(record, treatment, fields.get("cycle", 0))
        depth = fields.get("depth")
        if depth != _UNKNOWN:
            cycle.estimate_um = depth
            cycle.estimate_spread_um = fields.get("spread")
        cycle.liquid_ms = fields.get("liquid")
        cycle.aim_um = fields.get("planned")
        note = self._word("note", fields.get("note", 0))
        cycle.note = "" if note == "none" else note
        if note in _ALERTING and note not in treatment.notes:
            treatment.notes.append(note)
        if depth == _UNKNOWN and DEPTH_UNKNOWN not in treatment.notes:
            treatment.notes.append(DEPTH_UNKNOWN)
        depths = [item.estimate_um for item in self._freezes(treatment.seq)]
        treatment.estimate_um = max((um for um in depths if um is not None), default=None)

    def _on_thaw(self, record: Record, fields: Mapping[str, int]) -> None:
        treatment = self._of(record, fields)
        if treatment is not None:
            cycle = self._freeze(record, treatment, fields.get("cycle", 0))
            cycle.thaw_ms = fields.get("thawed")
            cycle.thaw_by = self._word("by", fields.get("by", 0))

    def _on_disarmed(self, record: Record, fields: Mapping[str, int]) -> None:
        treatment = self._of(record, fields)
        if treatment is None:
            return
        treatment.reason = self._word("reason", fields.get("reason", 0))
        if not self._freezes(treatment.seq):
            treatment.result, treatment.end_seq = NOT_FROZEN, record.seq
            self._over(record, treatment)

    def _on_treatment_end(self, record: Record, fields: Mapping[str, int]) -> None:
        treatment = self._of(record, fields)
        if treatment is None:
            return
        treatment.result = self._word("why", fields.get("why", 0))
        treatment.end_seq = record.seq
        treatment.cycles = fields.get("cycles", treatment.cycles)
        treatment.complete = fields.get("complete", treatment.complete)
        treatment.delivered_ms = treatment.most_ms = fields.get("delivered", treatment.delivered_ms)
        treatment.interruptions = fields.get("interruptions", 0)
        treatment.reference = treatment.reference or (
            fields.get("patient_ref", 0) if treatment.partial else 0
        )
        self._over(record, treatment)

    def _over(self, record: Record, treatment: Treatment) -> None:
        state = self.state
        if state.current == treatment.seq:
            state.current = 0
        state.late, state.late_until_ms = treatment.seq, record.uptime_ms + _FAULT_WINDOW_MS

    def _on_fault(self, record: Record, fields: Mapping[str, int]) -> None:
        state = self.state
        late = state.late if record.uptime_ms <= state.late_until_ms else 0
        treatment = self._treatment(state.current or late) if state.current or late else None
        number = fields.get("fault", 0)
        if treatment is not None:
            treatment.records.append(record.seq)
            if number not in treatment.faults:
                treatment.faults.append(number)

    def _on_fault_cleared(self, record: Record, fields: Mapping[str, int]) -> None:
        state = self.state
        late = state.late if record.uptime_ms <= state.late_until_ms else 0
        treatment = self._treatment(late) if late else None
        if treatment is not None and fields.get("fault", 0) in treatment.faults:
            treatment.records.append(record.seq)

    def _on_observation(self, record: Record, fields: Mapping[str, int]) -> None:
        treatment = self._of(record, fields)
        if treatment is None:
            return
        treatment.observation = self._word("outcome", fields.get("outcome", 0))
        if treatment.observation.startswith("not stable") and NOT_STABLE not in treatment.notes:
            treatment.notes.append(NOT_STABLE)


_CLEARED, _STOPPED, _LIFTED = (1, 2), 3, 6
"""Outcomes of a `screening`, docs/protocol.md: it cleared the patient; it stopped the treatment; a
physician lifted a stop."""


def _lifted_stop(asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last lift without a patient's number, and the stop that it lifted, whoever's it was."""
    lifts = [one for one in asked if one["outcome"] == _LIFTED and not one["ref"]][-1:]
    stops = [one for one in asked if lifts and one["outcome"] == _STOPPED]
    return [one for one in stops if one["seq"] < lifts[0]["seq"]][-1:] + lifts


def project(records: Iterable[Record], description: Description) -> Projector:
    """All treatments of records that are at hand, without a store."""
    projector = Projector(description, State())
    for record in records:
        projector.feed(record)
    return projector
