"""What goes into the system beside the command: completion, manual page, udev rule.

Completion and manual page are made from the command's own parser, which the caller gives: for the
wheel when it is built (`write`), so that an installed `cryo` needs no library for them; in a
checkout when they are asked for. The manual page is made here: argparse-manpage is not offered
as a wheel, which the lock requires. May import `errors`, the standard library and (for the
completion) shtab.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from host_tools.errors import LocalError

SHELLS = ("bash", "zsh", "tcsh")
MANUAL = "cryo.1"
RULE = "60-cryodose.rules"
UNIT = "cryodose-agent.service"

_INSTALLED = Path(__file__).resolve().parents[1] / "share"
_FILES = {"bash": "_shtab_compgen_files", "zsh": "_files", "tcsh": "f"}
_FOLDERS = {"bash": "_shtab_compgen_dirs", "zsh": "_files -/", "tcsh": "d"}


def completion(shell: str, parser: argparse.ArgumentParser) -> str:
    """The completion script for a shell of SHELLS."""
    return _document(f"completion.{shell}", parser)


def manual(parser: argparse.ArgumentParser) -> str:
    """The manual page, in roff."""
    return _document(MANUAL, parser)


def udev_rule() -> str:
    """The rule for Linux: who may open the port, and a name that stays."""
    return Path(__file__).with_name(RULE).read_text(encoding="utf-8")


def unit(command: str) -> str:
    """The systemd unit of `cryo agent`, with the place of this very command."""
    text = Path(__file__).with_name(UNIT).read_text(encoding="utf-8")
    return text.replace("@CRYO@", str(Path(command).absolute()))


def _document(name: str, parser: argparse.ArgumentParser) -> str:
    installed = _INSTALLED / name
    return installed.read_text(encoding="utf-8") if installed.is_file() else make(name, parser)


def make(name: str, parser: argparse.ArgumentParser) -> str:
    """Make a document from the parser. LocalError without the library that makes it."""
    if name == MANUAL:
        return "\n".join([*_head(parser), *_commands(parser), *_foot(parser)]) + "\n"
    try:
        import shtab
    except ModuleNotFoundError:
        raise LocalError(f"{name} cannot be made: shtab is not installed", "make setup") from None
    for action in _actions(parser):
        what = str(action.metavar or "")
        if "DIR" in what or what in ("IMAGE", "FOLDER"):
            action.complete = _FOLDERS  # pyright: ignore[reportAttributeAccessIssue]
        elif "FILE" in what or "DATA" in what:
            action.complete = _FILES  # pyright: ignore[reportAttributeAccessIssue]
    return shtab.complete(parser, name.removeprefix("completion."))


def _head(parser: argparse.ArgumentParser) -> Iterator[str]:
    # No date: the same parser gives the same page on every day.
    yield '.TH CRYO 1 "" cryodose "Cryodose"'
    yield ".SH NAME"
    yield "cryo \\- host side of the Cryodose liquid nitrogen applicator"
    yield ".SH SYNOPSIS"
    yield ".B cryo\n[\\fIoptions\\fR] \\fICOMMAND\\fR ..."
    yield ".SH DESCRIPTION"
    yield _roff(str(parser.description))
    yield ".SH OPTIONS"
    yield from _options(parser)
    yield ".SH COMMANDS"


def _commands(parser: argparse.ArgumentParser) -> Iterator[str]:
    for below in _parsers_below(parser):
        if not any(_parsers_below(below)):
            usage = " ".join(below.format_usage().split()).removeprefix("usage: ")
            yield f".SS {_roff(below.prog)}"
            yield _roff(str(below.description or ""))
            yield f".PP\n{_roff(usage)}"
            yield from _options(below)
        yield from _commands(below)


def _foot(parser: argparse.ArgumentParser) -> Iterator[str]:
    for part in str(parser.epilog).strip().split("\n\n"):
        title, _, rest = part.partition(":\n")
        if rest:
            yield f".SH {title.upper()}"
        yield f".PP\n.nf\n{_roff(rest or part)}\n.fi"


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    # The options that every command takes are described once, at the top.
    common = {"--help"} if parser.prog == "cryo" else {"--help", "--port", "--json", "--timeout"}
    for action in parser._actions:  # pyright: ignore[reportPrivateUsage]
        hidden = action.help == argparse.SUPPRESS or action.nargs == argparse.PARSER
        if hidden or common & set(action.option_strings):
            continue
        choices = ", ".join(str(one) for one in action.choices or ())
        value = "" if action.nargs == 0 else str(action.metavar or choices or action.dest.upper())
        words = [f"\\fB{_roff(name)}\\fR" for name in action.option_strings]
        words = [", ".join(words)] if words else []
        words += [f"\\fI{_roff(value)}\\fR"] if value else []
        yield f".TP\n{' '.join(words)}\n{_roff((action.help or '') % vars(action))}"


def _parsers_below(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    for action in parser._actions:  # pyright: ignore[reportPrivateUsage]
        if action.nargs == argparse.PARSER:
            yield from cast("dict[str, argparse.ArgumentParser]", action.choices).values()


def _roff(text: str) -> str:
    """Text as roff takes it: no line is a request, and hyphens can be copied."""
    plain = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join("\\&" + x if x.startswith((".", "'")) else x for x in plain.split("\n"))


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    yield from parser._actions  # pyright: ignore[reportPrivateUsage]
    for below in _parsers_below(parser):
        yield from _actions(below)


def write(folder: str, parser: argparse.ArgumentParser) -> None:
    """Write completion and manual page into a folder, which is made."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for name in (*(f"completion.{shell}" for shell in SHELLS), MANUAL):
        (target / name).write_text(make(name, parser), encoding="utf-8")
