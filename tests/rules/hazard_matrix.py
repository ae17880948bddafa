"""The trace matrix of docs/hazards.md: hazard, the files that control it, the tests that prove it.

    python -m tests.rules.hazard_matrix            writes it (make hazards)
    python -m tests.rules.hazard_matrix --list     lists the hazards and their number of proofs

The tests are those marked `@pytest.mark.hazard("H-05")`, found in the source; none is run.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

from tests.rules.source import ROOT, name_of, python_files, text_of, tree_of

PAGE = ROOT / "docs" / "hazards.md"
BEGIN, END = "<!-- matrix: begin -->", "<!-- matrix: end -->"
ROW = re.compile(r"^\| (H-\d\d) \| (.+) \| (\w+) \| (\w+) \|$", re.MULTILINE)
CONTROL = re.compile(r"^## (H-\d\d) .*?^- \*\*Control\*\*: (.*?)^- \*\*Proof\*\*", re.M | re.S)

Proofs = dict[str, dict[str, list[str]]]
"""Hazard -> file -> names of tests."""


def hazards() -> dict[str, str]:
    """Id -> description of the hazard."""
    return {number: what for number, what, _severity, _status in ROW.findall(text_of(PAGE))}


def marks_of(test: ast.FunctionDef) -> list[str]:
    """The ids in a test's marks."""
    return [
        ast.literal_eval(argument)
        for decorator in test.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.hazard"
        for argument in decorator.args
    ]


def proofs() -> Proofs:
    """The proofs, from the marks of all tests."""
    proved: Proofs = {}
    for path in python_files("tests"):
        for node in tree_of(path).body:
            if isinstance(node, ast.FunctionDef):
                for number in marks_of(node):
                    proved.setdefault(number, {}).setdefault(name_of(path), []).append(node.name)
    return proved


def matrix() -> str:
    """The text between the two markers."""
    controls = dict(CONTROL.findall(text_of(PAGE)))
    proved = proofs()
    lines = ["| hazard | controlled in | proved by |", "|---|---|---|"]
    for number in hazards():
        files = sorted(set(re.findall(r"`(firmware/[\w/.]+\.py)`", controls[number])))
        tests = [
            f"`{file}`: " + ", ".join(f"`{name}`" for name in names)
            for file, names in sorted(proved.get(number, {}).items())
        ]
        controlled = "<br>".join(f"`{file}`" for file in files) or "–"
        lines.append(f"| {number} | {controlled} | {'<br>'.join(tests) or '–'} |")
    return "\n".join(lines) + "\n"


def page_with(table: str) -> str:
    """docs/hazards.md with this matrix."""
    head, _, rest = text_of(PAGE).partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{table}\n{END}{tail}"


def listed() -> str:
    proved = proofs()
    counts = {number: sum(map(len, proved.get(number, {}).values())) for number in hazards()}
    return "".join(f"  {one}  {counts[one]:3} tests  {what}\n" for one, what in hazards().items())


def main(arguments: list[str]) -> int:
    if arguments == ["--list"]:
        sys.stdout.write(f"The tests that prove a hazard's control: make hazard H=H-05\n{listed()}")
        return 0
    Path(PAGE).write_text(page_with(matrix()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
