"""The field's words: words of an earlier dialect do not come back."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Word, and what is written instead. Whole words, in any case, underscores taken as spaces.
INSTEAD = {
    r"anew": "again",
    r"heed(s|ed)?": "observe, respect",
    r"spoil(t|ed|s)?": "damaged, corrupt",
    r"betray(s|ed)?": "shows",
    r"befalls?": "happens to",
    r"nought": "zero",
    r"thence|whereof|thereof": "from there, of it",
    r"begins? anew": "restarts",
    r"on the glass": "on the display",
    r"is told|are told|was told|were told": "is reported, is a fault, is instructed",
    r"who is told": "an operator who is asked",
    r"asked for it": "requested",
    r"lets? go of": "releases",
    r"says nothing of|says nothing about": "does not depend on, has no information about",
    r"stands? for one": "acts as one",
}
ALLOWED = {
    # Where the phrase is the subject itself.
    "tests/rules/test_vocabulary.py",
    "CHANGELOG.md",
}


def committed() -> list[str]:
    names = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).split()
    return sorted(
        name for name in names
        if name.endswith((".py", ".md", ".js")) and name not in ALLOWED
    )  # fmt: skip


@pytest.mark.parametrize("word", INSTEAD)
def test_the_field_s_words(word: str) -> None:
    pattern = re.compile(rf"(?<![a-z])({word})(?![a-z])", re.IGNORECASE)
    uses = [
        f"{name}:{number}: {line.strip()[:90]}"
        for name in committed()
        for number, line in enumerate((ROOT / name).read_text("utf-8").splitlines(), 1)
        if pattern.search(line.replace("_", " "))
    ]
    assert not uses, f"write {INSTEAD[word]!r} instead:\n" + "\n".join(uses)
