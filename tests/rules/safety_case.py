"""docs/safety-case.md: the argument that the device is acceptably safe, as far as it goes.

    python -m tests.rules.safety_case            writes it (make evidence)

Drawn from data: the hazards of docs/hazards.md, the marks of the tests, and safety_case.toml beside
this file, which holds the claims and clauses that no other file has.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

from tests.rules.hazard_matrix import CONTROL, PAGE as HAZARDS, ROW, proofs
from tests.rules.source import ROOT, text_of

PAGE = ROOT / "docs" / "safety-case.md"
_RESIDUAL = re.compile(
    r"^## (H-\d\d) .*?^- \*\*Residual risk\*\*: (.*?)\n(?=- |\n|\Z)", re.M | re.S
)

_DATA = tomllib.loads(text_of(Path(__file__).with_suffix(".toml")))

EVIDENCE: list[tuple[str, str, str, str, str]] = [
    (one["number"], one["claim"], one["command"], one["result"], one["kind"])
    for one in _DATA["evidence"]
]
CLAUSES: list[tuple[str, str, str, str, str]] = [
    (one["standard"], one["clause"], one["asks"], one["answered"], one["open"])
    for one in _DATA["clause"]
]

_HEAD = """\
# Safety case

Why the device is believed to be acceptably safe, and where that ends. Written by `make evidence`
from [hazards.md](hazards.md), the marks of the tests and the table of clauses; do not edit.
**Nothing here is a certificate: no notified body, clinician or user has assessed it, and no
hardware was tested.** What answers an attacker: [threat-model.md](threat-model.md). Each leaf of
the argument is a command that a stranger can run after `make setup`.

## The argument

Goals (G), strategies (S), assumptions (A) and evidence (E), after the Goal Structuring Notation.

```mermaid
flowchart TB
    G0["G0: no hazard leads to unacceptable harm, as far as firmware and circuit decide"]
    A1(["A1: the list of hazards is complete (not assessed by others)"])
    A2(["A2: the simulated parts behave as real ones (nothing measured on hardware)"])
    S1{{"S1: each hazard has a control in the code and a proof that fails without it"}}
    S2{{"S2: what holds for all of them is shown across them"}}
    S3{{"S3: what is left is said"}}
    G0 --- A1
    G0 --- A2
    G0 --> S1
    G0 --> S2
    G0 --> S3
"""


_EDITIONS = (
    "What answers them here, and what is open. Clauses are numbered as in IEC 62304:2006 + "
    "A1:2015, ISO 14971:2019, IEC 60601-1-8:2006 + A1 + A2, IEC 62366-1:2015 + A1 and FD&C Act "
    "524B, written without the texts at hand: to be checked against them."
)


def _hazards() -> list[tuple[str, str, str, str]]:
    return ROW.findall(text_of(HAZARDS))


def _picture() -> list[str]:
    lines: list[str] = []
    for severity in ("serious", "moderate", "minor"):
        ids = [number for number, _what, of, _status in _hazards() if of == severity]
        lines.append(
            f'    S1 --> G{severity}["G: {len(ids)} {severity} hazards<br>{" ".join(ids)}"]'
        )
        lines.append(f'    G{severity} --> L{severity}[/"make hazard H=..."/]')
    for number, claim, command, _page, _kind in EVIDENCE:
        text = command.replace("'", "")
        lines.append(f'    S2 --> {number}["{number}: {claim}"]')
        lines.append(f'    {number} --> L{number}[/"{text}"/]')
    lines.append('    S3 --> R["residual risks, below"]')
    return [*lines, "```", ""]


def page() -> str:
    """The whole page."""
    proved = proofs()
    text = text_of(HAZARDS)
    controls, residual = dict(CONTROL.findall(text)), dict(_RESIDUAL.findall(text))
    lines = [_HEAD.rstrip("\n"), *_picture()]
    lines += ["## Evidence across the hazards", "", "| | claim | command | result | what it is |",
              "|---|---|---|---|---|"]  # fmt: skip
    for number, claim, command, where, kind in EVIDENCE:
        link = f"[{where.removeprefix('docs/')}]({where.removeprefix('docs/')})"
        lines.append(f"| {number} | {claim} | `{command}` | {link} | {kind} |")
    lines += ["", "## Each hazard", "",
              "| goal: controlled is | severity | status | controls | tests | command |",
              "|---|---|---|---:|---:|---|"]  # fmt: skip
    for number, what, severity, status in _hazards():
        files = len(set(re.findall(r"`(firmware/[\w/.]+\.py)`", controls[number])))
        tests = sum(map(len, proved.get(number, {}).values()))
        command = f"`make hazard H={number}`" if tests else "none: information only"
        lines.append(f"| {number} {what} | {severity} | {status} | {files} | {tests} | {command} |")
    lines += ["", "## What is left", "", "The residual risks of the serious hazards.", ""]
    for number, _what, severity, _status in _hazards():
        if severity == "serious":
            lines.append(f"- **{number}**: {' '.join(residual[number].split())}")
    lines += ["", "## Clauses", "", _EDITIONS, ""]
    lines += ["| standard | clause | asks for | answered by | open |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in CLAUSES]
    return "\n".join(lines) + "\n"


def main() -> int:
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
