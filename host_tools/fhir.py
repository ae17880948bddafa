"""A treatment as HL7 FHIR: a Bundle of Procedure, Device, Observations and Provenance.

May import `story`'s data, the words of `treatments` and `wall_clock`, `extras`, `errors` and the
standard library; fhir.resources (extra `fhir`) when a bundle is checked. Only what the journal says
is stated. Codes are text: which terminology a practice codes in is its own decision, and a body
site, a diagnosis and a name are not known here. https://hl7.org/fhir/R4B; all
elements used are those of R4 too.
"""

from __future__ import annotations

import html
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from host_tools.errors import LocalError
from host_tools.extras import needs
from host_tools.treatments import NO_END, NOT_FROZEN, UNDER_WAY
from host_tools.wall_clock import BY_DEVICE, DISPUTED, NOT_BEFORE, SYNCHRONISED, UNKNOWN

_SYSTEM = "urn:x-cryodose:"
"""Beginning of our own identifiers and extensions; not a registered name."""
_UCUM = "http://unitsofmeasure.org"
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_STATUS = {
    "complete": "completed",
    NOT_FROZEN: "not-done",
    UNDER_WAY: "in-progress",
    NO_END: "unknown",
}
"""Procedure.status by a treatment's result; all others were stopped on the way."""

_MEASURES = (
    ("dose_ms", "planned time of flow", "ms", 1),
    ("delivered_ms", "delivered time of flow", "ms", 1),
    ("least_us", "delivered at least (gate open)", "us", 1),
    ("most_us", "delivered at most (gate open)", "us", 1),
    ("nozzle_c_x100", "nozzle at the beginning", "Cel", 100),
    ("nozzle_min_c_x100", "lowest nozzle temperature", "Cel", 100),
    ("pressure_mbar", "dewar gauge pressure at the beginning", "mbar", 1),
    ("pressure_min_mbar", "lowest dewar gauge pressure", "mbar", 1),
    ("level_permille", "dewar level", "%", 10),
    ("aim_um", "depth aimed at, margin included", "um", 1),
    ("estimate_um", "estimated depth of the isotherm", "um", 1),
    ("estimate_spread_um", "spread of the estimate", "um", 1),
    ("ice_field_ms", "time until the ice field was seen", "ms", 1),
    ("thaw_ms", "thaw", "ms", 1),
)
"""Key of a freeze in a story, words, UCUM unit, and how many of the device's units make one."""


def bundle(
    told: Mapping[str, Any], firmware: str, made: datetime, udi: str | None = None
) -> dict[str, Any]:
    """A treatment's story as a FHIR Bundle of type `collection`.

    `told`: as `story.story` gives it. `firmware`: the version at the last pull. `made`: when the
    bundle is made. `udi`: the carrier as a person reads it on the device's label; None: not known,
    which the bundle says.
    """
    serial, number = str(told["device"]), int(told["number"])

    def url(*parts: object) -> str:
        words = "/".join(map(str, (serial, *parts)))
        return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, _SYSTEM + words)}"

    device_url, procedure_url = url("device"), url(number)
    device = _device(serial, firmware, udi)
    procedure = _procedure(told, device_url)
    times = _record_times(told)
    observations = [
        (
            url(number, "freeze", freeze["begin_seq"]),
            _observation(told, freeze, times.get(freeze["begin_seq"]), procedure_url, device_url),
        )
        for freeze in told["freezes"]
    ]
    entries = [(procedure_url, procedure), (device_url, device), *observations]
    targets = [link for link, _ in entries]
    entries.append((url(number, "provenance"), _provenance(told, targets, made)))
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "identifier": {"system": f"{_SYSTEM}treatment", "value": f"{serial}/{number}"},
        "timestamp": made.isoformat(timespec="seconds"),
        "entry": [{"fullUrl": link, "resource": resource} for link, resource in entries],
    }


def _record_times(told: Mapping[str, Any]) -> dict[int, str | None]:
    """When each record was written: by the device's clock, or the uptime since it was armed."""
    if told["time_known_by"] in (UNKNOWN, NOT_BEFORE, DISPUTED):
        return {}
    armed = datetime.fromisoformat(told["time"])
    return {
        record["seq"]: (
            armed + timedelta(seconds=(record["uptime_ms"] - told["uptime_ms"]) // 1000)
        ).isoformat()
        if record["boot"] == told["boot"]
        else None
        for record in told["records"]
    }


def checked(data: Mapping[str, Any]) -> str:
    """A bundle as JSON text, after fhir.resources has checked it.

    Raises LocalError: the extra is missing, or the bundle is not what FHIR allows.
    """
    with needs("fhir", "--fhir"):
        from fhir.resources.R4B.bundle import Bundle
    try:
        return Bundle.model_validate(data).model_dump_json(indent=2) + "\n"
    except ValueError as error:
        raise LocalError(
            f"the bundle is not valid FHIR: {error}", "this is a defect of `cryo`; please report it"
        ) from None


def now() -> datetime:
    """The time of an export."""
    return datetime.now(UTC)


def _absent(reason: str) -> dict[str, Any]:
    return {"extension": [{"url": _ABSENT, "valueCode": reason}]}


def _device(serial: str, firmware: str, udi: str | None) -> dict[str, Any]:
    carrier = {"carrierHRF": udi} if udi else {"_carrierHRF": _absent("unknown")}
    return {
        "resourceType": "Device",
        "identifier": [{"system": f"{_SYSTEM}serial", "value": serial}],
        "udiCarrier": [carrier],
        "serialNumber": serial,
        "deviceName": [{"name": "Cryodose", "type": "model-name"}],
        "type": {"text": "hand-held liquid nitrogen applicator"},
        "version": [{"type": {"text": "firmware, at the last pull"}, "value": firmware}],
    }


def _subject(told: Mapping[str, Any]) -> dict[str, Any]:
    """The patient, by the practice's own number; a name is not known."""
    if not told["reference"]:
        return {"display": "no patient number was entered"}
    return {
        "type": "Patient",
        "identifier": {"system": f"{_SYSTEM}patient-number", "value": str(told["reference"])},
    }


def _procedure(told: Mapping[str, Any], device_url: str) -> dict[str, Any]:
    procedure: dict[str, Any] = {
        "resourceType": "Procedure",
        "identifier": [
            {"system": f"{_SYSTEM}treatment", "value": f"{told['device']}/{told['number']}"}
        ],
        "status": _STATUS.get(told["result"], "stopped"),
        "code": {"text": "Cryotherapy with liquid nitrogen"},
        "subject": _subject(told),
        "outcome": {"text": told["result"]},
        "usedReference": [{"reference": device_url}],
        "note": [{"text": text} for text in _notes(told)],
    }
    if procedure["status"] in ("not-done", "stopped"):
        procedure["statusReason"] = {"text": told["disarmed"] or told["result"]}
    if told["time"] and told["time_known_by"] in (SYNCHRONISED, BY_DEVICE):
        procedure["performedDateTime"] = told["time"]
    else:
        procedure["_performedDateTime"] = _absent("unknown")
    if told["operator"]:
        who = {"system": f"{_SYSTEM}operator", "value": str(told["operator"])}
        performer: dict[str, Any] = {"actor": {"identifier": who}}
        if told["role"]:
            performer["function"] = {"text": told["role"]}
        procedure["performer"] = [performer]
    if told["alerts"]:
        procedure["complication"] = [{"text": text} for text in told["alerts"]]
    return procedure


def _notes(told: Mapping[str, Any]) -> list[str]:
    """What has no element of its own, a sentence each."""
    notes = [
        f"Plan: {told['cycles'] or '?'} freezes of {told['dose_ms']} ms, depth {told['depth_um']} "
        f"µm and margin {told['margin_um']} µm, profile {told['profile']}, applicator "
        f"{told['applicator']} (table version {told['table_version']}).",
        f"Delivered: {told['complete']} complete freezes, {told['delivered_ms']} ms of flow at "
        f"least, {told['delivered_at_most_ms']} ms at most.",
        f"Checklist: {told['checklist'] or 'not recorded'}."
        + (f" Applies: {', '.join(told['present'])}." if told["present"] else "")
        + (
            f" Overridden by operator {told['overridden_by'] or 'unknown'}: "
            f"{', '.join(told['overridden'])}."
            if told["overridden"]
            else ""
        ),
    ]
    notes += _time_notes(told)
    if told["observation"]:
        notes.append(f"Observation afterwards: {told['observation']}.")
    if not told["complete_record"]:
        notes.append("Records of this treatment are not stored; it is not known completely.")
    return notes


def _time_notes(told: Mapping[str, Any]) -> list[str]:
    """How far the time is known."""
    how, off_s = told["time_known_by"], told["time_uncertainty_s"]
    if how == SYNCHRONISED:
        return [f"The time is known to ± {off_s} s, from when the device's clock was set."]
    if how == BY_DEVICE:
        return ["The time is the device's own; its clock was never compared with another."]
    if how == DISPUTED:
        return [
            f"The computers that set the device's clock disagree; it was between "
            f"{told['time_earliest']} and {told['time_latest']}."
        ]
    bounds = [f"after {told['time']}"] if told["time"] else []
    bounds += [f"before {told['time_latest']}"] if told["time_latest"] else []
    known = f"; it was {' and '.join(bounds)}" if bounds else ""
    return [f"The device's clock was not set{known}."]


def _observation(
    told: Mapping[str, Any], freeze: Mapping[str, Any], time: str | None, procedure_url: str,
    device_url: str,
) -> dict[str, Any]:  # fmt: skip
    ended = bool(freeze["cause"])
    observation: dict[str, Any] = {
        "resourceType": "Observation",
        "status": "final" if ended else "preliminary",
        "code": {"text": f"Freeze {freeze['cycle']}"},
        "subject": _subject(told),
        "partOf": [{"reference": procedure_url}],
        "device": {"reference": device_url},
        "valueString": freeze["cause"] or "its end is not recorded",
        "component": _components(freeze),
    }
    if time:
        observation["effectiveDateTime"] = time
    else:
        observation["_effectiveDateTime"] = _absent("unknown")
    if freeze["note"]:
        observation["note"] = [{"text": f"Estimate: {freeze['note']}."}]
    return observation


def _components(freeze: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each quantity that is recorded. A delivered time that is not known has the reason instead."""
    components: list[dict[str, Any]] = []
    for key, words, unit, per_unit in _MEASURES:
        value = freeze[key]
        if key == "delivered_ms" and freeze["delivered_us"] is None:
            absent = {"text": "cut short, or its end is not recorded; see the bounds"}
            components.append({"code": {"text": words}, "dataAbsentReason": absent})
        elif value is not None:
            number = value if per_unit == 1 else value / per_unit
            quantity = {"value": number, "unit": unit, "system": _UCUM, "code": unit}
            components.append({"code": {"text": words}, "valueQuantity": quantity})
    if freeze["thaw_by"]:
        components.append(
            {"code": {"text": "thaw ended by"}, "valueString": str(freeze["thaw_by"])}
        )
    return components


def _provenance(
    told: Mapping[str, Any], targets: Sequence[str], made: datetime
) -> dict[str, Any]:  # fmt: skip
    check = told["verification"]
    good = bool(check["good"])
    words = (
        f"Hash chain of records {check['first']} to {check['last']} of {told['device']} "
        f"{'verified' if check['chain_good'] else 'BROKEN'} ({check['records_checked']} records); "
        f"this treatment: records {check['treatment_first']} to {check['treatment_last']}, "
        f"{'complete' if check['treatment_complete'] else 'NOT complete'}."
    )
    words += "".join(f" {problem}." for problem in check["problems"])
    if check["signed"]:
        words += f" Not rewritten since signed: head {check['signed_about']}."
    else:
        words += " No signed head covers this treatment."
    div = f'<div xmlns="http://www.w3.org/1999/xhtml">{html.escape(words)}</div>'
    journal = f"{told['device']}/{check['first']}-{check['last']}"
    return {
        "resourceType": "Provenance",
        "text": {"status": "generated", "div": div},
        "extension": [
            {"url": f"{_SYSTEM}chain-verified", "valueBoolean": good},
            {"url": f"{_SYSTEM}head-signed", "valueBoolean": bool(check["signed"])},
        ],
        "target": [{"reference": link} for link in targets],
        "recorded": made.isoformat(timespec="seconds"),
        "activity": {"text": words},
        "agent": [
            {"type": {"text": "assembler"}, "who": {"display": "cryo, from the device's journal"}}
        ],
        "entity": [
            {
                "role": "source",
                "what": {
                    "identifier": {"system": f"{_SYSTEM}journal", "value": journal},
                    "display": "the device's journal",
                },
            }
        ],
    }
