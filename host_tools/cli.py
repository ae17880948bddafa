"""The `cryo` command: its arguments, its exit codes, and how errors are shown.

Imports only argparse, os and sys, so that `cryo --help` is quick; the commands themselves are
imported when one is run.
"""

from __future__ import annotations

import argparse
import os
import sys

TYPE_CHECKING = False  # typing's own costs an import
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from host_tools.errors import CryoError

    _Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # pyright: ignore[reportPrivateUsage]

_EPILOG = """\
exit codes:
  0  done
  1  the device refused (the message says why, and the range if there is one)
  2  the command line is wrong
  3  no port, more than one that could be meant, or it is in use
  4  no answer, a broken conversation, or the port went away
  5  records do not verify, or differ from those stored
  6  the change was not confirmed on the device
  7  a file, a part or a measurement on this computer is missing or unusable
  8  a check of the board has failed or was left out (`cryo doctor`)

examples:
  cryo status --watch              readings, until Ctrl-C
  cryo set depth_um 2.5mm          then confirm on the device
  cryo log pull && cryo log export --format csv -o journal.csv
  cryo --port sim:// info          without a device: the simulated one

PORT is a device path or any pyserial URL (socket://HOST:PORT, sim://, ...).
Left out, the variable CRYO_PORT counts; else the one device found on USB.
"""


class _Version(argparse.Action):
    """`--version`, which looks the version up only when asked (importlib.metadata is slow)."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            found = version("cryodose")
        except PackageNotFoundError:
            found = "not installed"
        print(f"cryo {found}")
        parser.exit()


def _columns() -> int:
    """The terminal's width. shutil, which argparse would ask, loads three compression modules."""
    try:
        return int(os.environ.get("COLUMNS") or os.get_terminal_size().columns)
    except (ValueError, OSError):
        return 80


class _Parser(argparse.ArgumentParser):
    """With help as wide as the terminal, which is asked once: argparse asks for each argument."""

    _width = max(_columns() - 2, 11)

    def __init__(self, **options: Any) -> None:
        kind: type[argparse.HelpFormatter] = options.pop("formatter_class", argparse.HelpFormatter)
        self._kind = kind
        super().__init__(formatter_class=self._formatter, **options)

    def _formatter(self, prog: str) -> argparse.HelpFormatter:
        return self._kind(prog, max_help_position=20, width=self._width)


def _new(**options: Any) -> argparse.ArgumentParser:
    return _Parser(**options)


class _Unbuilt:
    """In the place of a command's parser that nobody will use: takes everything, does nothing."""

    def __init__(self, **_: object) -> None: ...

    def __call__(self, *_: object, **__: object) -> _Unbuilt:
        return self

    def __getattr__(self, _: str) -> _Unbuilt:
        return self


def make_parser(*, brief: bool = False) -> argparse.ArgumentParser:
    """The parser of the command line; `brief`: for its own help alone, which is quicker."""
    # The common options may stand before or behind the command. Behind it they have no default,
    # for else they would undo what stands before.
    before = _new(add_help=False)
    behind = _new(add_help=False)
    for group, default in ((before, None), (behind, argparse.SUPPRESS)):
        group.add_argument("--port", metavar="PORT", default=default, help="path or pyserial URL")
        group.add_argument(
            "--json",
            action="store_true",
            default=False if default is None else default,
            help="print one JSON object instead of text, errors included",
        )
        group.add_argument(
            "--timeout",
            type=float,
            metavar="S",
            default=default,
            help="seconds that one try waits for a reply (default 1.5; 4 tries)",
        )
    parser = _new(
        prog="cryo",
        description="Talk to a Cryodose cryogen applicator, and keep its journal.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[before],
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    kind: Any = _Unbuilt if brief else _Parser
    commands: _Commands
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=kind)

    def command(name: str, run: str, help_: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help_, description=_sentence(help_), parents=[behind])
        sub.set_defaults(run=run)
        return sub

    command("ports", "ports", "list the serial ports, and which can be the device")

    sub = command("info", "info", "who the device is; with PART, what it knows of it")
    sub.add_argument(
        "part",
        nargs="?",
        metavar="PART",
        help="settings, commands, faults, records, states, errors or applicators",
    )

    sub = command("get", "get", "show a setting, or all with their ranges")
    sub.add_argument("key", nargs="?", metavar="KEY", help="the setting's name")

    sub = command("set", "set_", "change a setting; some changes are confirmed on the device")
    sub.add_argument("key", metavar="KEY", help="the setting's name")
    sub.add_argument("value", metavar="VALUE", help="2.5mm, 12s, …; a plain integer is in its unit")
    sub.add_argument(
        "--no-wait",
        action="store_true",
        help="do not wait for the confirmation (exit code 6 all the same)",
    )

    _config(commands, behind)

    sub = command("status", "status", "state and readings")
    sub.add_argument(
        "--watch",
        nargs="?",
        type=float,
        const=0.5,
        metavar="S",
        help="again every S seconds (default 0.5), until Ctrl-C",
    )

    sub = command("monitor", "monitor", "a dashboard until Ctrl-C; survives unplugging")
    sub.add_argument("--every", type=float, metavar="S", default=0.5, help="default 0.5 s")
    sub.add_argument("--count", type=int, metavar="N", default=0, help="end after N looks")

    sub = command("time", "time_", "read or set the device's clock")
    sub.add_argument(
        "--set",
        nargs="?",
        const="now",
        metavar="WHEN",
        dest="when",
        help="set it to this computer's time, or to WHEN (ISO 8601 with offset)",
    )

    sub = command("plan", "plan", "seconds, uncertainty and reach for a depth")
    sub.add_argument("depth", nargs="?", metavar="DEPTH", help="of the lesion, such as 2.5mm")
    sub.add_argument("--applicator", metavar="A", help="number or name; else the fitted one")
    sub.add_argument("--margin", metavar="DEPTH", help="below the lesion; else as set")
    sub.add_argument("--target", type=int, choices=(1, 2), help="1: -25 °C, 2: -50 °C")

    _calibrate(commands, behind)
    _checklist(commands, behind)

    _operators(commands, behind)

    sub = command("doctor", "doctor", "a technician's guided check of a newly built board")
    sub.add_argument("-o", "--output", metavar="FILE", help="default: board-SERIAL.html")
    sub.add_argument("--by", metavar="NAME", help="who checks (default: your login name)")
    sub.add_argument("--read-only", action="store_true", help="readings alone; needs nobody there")
    sub.add_argument("--no-valve", action="store_true", help="leave the valve's switches out")

    command("maintenance", "maintenance", "end the application, to flash the device")

    sub = command("update", "update", "put a firmware image on the device, and check it")
    sub.add_argument(
        "image",
        nargs="?",
        metavar="IMAGE",
        help="a folder that `make image` built (default: the image installed with this command; in "
        "a checkout, build/image)",
    )

    sub.add_argument(
        "--in-place",
        action="store_true",
        help="without room for old and new: replace file by file (no application if it breaks off)",
    )
    sub.add_argument(
        "--unsigned",
        action="store_true",
        help="an image that no release key has signed, such as one built here",
    )

    sub = command("completion", "completion", "print the completion script for a shell")
    sub.add_argument("shell", choices=("bash", "zsh", "tcsh"), help="`cryo completion bash`, ...")
    command("man", "man", "print the manual page: `cryo man | man -l -`")
    command("udev", "udev", "print the udev rule for Linux: who may open the port")

    sub = command("demo", "demo", "a complete treatment on the simulated device")
    sub.add_argument("--out", metavar="DIR", default="build/demo", help="default: build/demo")

    sub = command("panel", "panel", "the simulated device as a page in the browser")
    sub.add_argument("--bench", choices=("fast", "emulated"), default="fast", help="default: fast")
    sub.add_argument(
        "--web", type=int, metavar="N", default=8080, help="the page's port here (default 8080)"
    )
    sub.add_argument(
        "--tcp", type=int, metavar="N", default=8090, help="the device's port here (default 8090)"
    )
    sub.add_argument("--skin-sensor", action="store_true", help="the infrared sensor is fitted")
    sub.add_argument("--replay", metavar="FILE", help="begin with a recorded session")
    sub.add_argument("--no-browser", action="store_true", help="only serve; open no browser")

    stored = _stored()
    sub = commands.add_parser(
        "agent",
        help="a service: pull from every attached device, until it is ended",
        description="Pulls from every attached device into the store, until SIGTERM or Ctrl-C.",
        parents=[behind, stored],
    )
    sub.set_defaults(run="agent")
    sub.add_argument("ports", nargs="*", metavar="PORT", help="these; else every device on USB")
    sub.add_argument("--every", type=float, metavar="S", default=30.0, help="default 30 s")
    sub.add_argument(
        "--no-release", action="store_true", help="do not tell devices that they may delete"
    )
    sub.add_argument("--metrics", metavar="[HOST:]PORT", help="for Prometheus; HOST: this computer")
    sub.add_argument("--textfile", metavar="FILE.prom", help="metrics for node_exporter")
    sub.add_argument("--mqtt", metavar="URL", help="states to this broker: mqtt://[USER@]HOST")
    sub.add_argument("--unit", action="store_true", help="print a systemd unit, and end")
    _treatments(commands, behind, stored)
    _patient(commands, behind, stored)
    _store(commands, behind, stored)
    _keys(commands, behind)

    log = commands.add_parser(
        "log",
        help="the device's journal: pull, show, export, verify",
        description="The journal.",
        parents=[behind],
    )
    commands = log.add_subparsers(metavar="COMMAND", required=True)

    chosen = _new(add_help=False)
    chosen.add_argument("--serial", metavar="SERIAL", help="which device, if several are stored")
    span = _new(add_help=False)
    span.add_argument("--kind", metavar="NAME", action="append", help="only this kind; repeatable")
    span.add_argument("--from", metavar="SEQ", type=int, dest="first", default=1)
    span.add_argument("--to", metavar="SEQ", type=int, dest="last")

    def log_command(
        name: str, run: str, help_: str, *parents: argparse.ArgumentParser
    ) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name, help=help_, description=_sentence(help_), parents=[behind, stored, *parents]
        )
        sub.set_defaults(run=run)
        return sub

    sub = log_command("pull", "log_pull", "fetch new records, verify and store them")
    sub.add_argument("--all", action="store_true", help="fetch all again and compare")
    sub.add_argument(
        "--no-release",
        action="store_true",
        help="do not tell the device that it may delete what is stored when its room is short",
    )
    sub.add_argument(
        "--keep-broken",
        action="store_true",
        help="go on behind records that break the chain, and store them too (exit code 5)",
    )
    sub = log_command("follow", "log_follow", "print records as they come, until Ctrl-C")
    sub.add_argument("--every", type=float, metavar="S", default=2.0, help="default 2 s")
    sub.add_argument("-n", type=int, metavar="N", default=10, help="begin with the newest N (10)")
    sub.add_argument("--kind", metavar="NAME", action="append", help="only this kind; repeatable")
    sub = log_command("show", "log_show", "show stored records", chosen, span)
    sub.add_argument("-n", type=int, metavar="N", default=20, help="the newest N (default 20)")
    sub.add_argument("--all", action="store_true", help="all of them")
    sub = log_command(
        "export", "log_export", "write stored records, or treatments, to a file", chosen, span
    )
    sub.add_argument("--format", choices=("csv", "jsonl", "parquet"), default="csv")
    sub.add_argument(
        "--treatments", action="store_true", help="a row a treatment, of all devices, instead"
    )
    sub.add_argument("-o", "--output", metavar="FILE", help="default: standard output")
    sub = log_command(
        "verify", "log_verify", "check what is stored, by hash chain and signed heads", chosen
    )
    sub.add_argument(
        "--heads", metavar="FILE", action="append", default=[], help="signed heads kept elsewhere"
    )
    sub = log_command(
        "heads", "log_heads", "write the signed heads, to keep them elsewhere", chosen
    )
    sub.add_argument("-o", "--output", metavar="FILE", help="default: standard output")
    return parser


def _family(
    commands: _Commands,
    name: str,
    help_: str,
    description: str,
    kinds: Mapping[str, str],
    parents: Sequence[argparse.ArgumentParser],
    *,
    run: str,
    dest: str = "what",
) -> dict[str, argparse.ArgumentParser]:
    """A command of several kinds, with the help of each; the parser of each kind."""
    family = commands.add_parser(name, help=help_, description=description, parents=[parents[0]])
    choice = family.add_subparsers(metavar="WHAT", required=True)
    made: dict[str, argparse.ArgumentParser] = {}
    for kind, about in kinds.items():
        made[kind] = choice.add_parser(
            kind, help=about, description=_sentence(about), parents=parents
        )
        made[kind].set_defaults(run=run, **{dest: kind})
    return made


def _calibrate(commands: _Commands, behind: argparse.ArgumentParser) -> None:
    kinds = _family(
        commands,
        "calibrate",
        "measure an applicator, the valve or the clock, and write it to the device",
        "Calibration; the technician's guide is docs/calibration.md.",
        {
            "depth": "fit an applicator's coefficient to depths in gel, write its table",
            "valve": "fit the valve's lags to a log, or to weighed shots",
            "clock": "compare the device's clock with this computer's",
            "show": "every applicator's table and its origin",
            "remove": "an applicator's shipped table again",
        },
        [behind],
        run="calibrate",
    )
    for name in ("depth", "valve", "clock"):
        kinds[name].add_argument(
            "--dry-run", action="store_true", help="fit and show, change nothing"
        )
    for name in ("depth", "remove"):
        kinds[name].add_argument("applicator", metavar="APPLICATOR", help="number or name")
    depth = kinds["depth"]
    depth.add_argument(
        "data",
        nargs="?",
        metavar="DATA.csv",
        help="time_s,depth_mm or a thermocouple log; left out: test freezes, step by step",
    )
    depth.add_argument("--gel-c", type=float, default=20.0, metavar="C", help="gel (default 20 °C)")
    depth.add_argument("--author", metavar="NAME", help="who measured (default: your login name)")
    depth.add_argument("--run", type=int, metavar="N", dest="run_number", help="default: the date")
    depth.add_argument("--plot", metavar="FILE.png", help="draw points, curve and interval")
    depth.add_argument(
        "--out", default="calibration.csv", metavar="FILE.csv", help="keep test freezes here"
    )
    kinds["valve"].add_argument(
        "data", metavar="DATA.csv", help="time_s,gate,flow or gate_s,mass_g"
    )
    clock = kinds["clock"]
    clock.add_argument("--minutes", type=float, default=10.0, metavar="M", help="default 10")
    clock.add_argument("--every", type=float, default=0.2, metavar="S", help=argparse.SUPPRESS)


def _config(commands: _Commands, behind: argparse.ArgumentParser) -> None:
    kinds = _family(
        commands,
        "config",
        "all settings as a file: diff, export, import",
        "All settings as a commented TOML file.",
        {
            "diff": "compare a file (or nothing) with the device and the defaults",
            "export": "write all settings with unit, range, default and help",
            "import": "apply a file: all of it or nothing",
        },
        [behind],
        run="config",
    )
    kinds["diff"].add_argument("file", metavar="FILE.toml", help="a [settings] table", nargs="?")
    kinds["import"].add_argument("file", metavar="FILE.toml", help="a [settings] table")
    kinds["export"].add_argument("-o", "--output", metavar="FILE", help="default: standard output")


def _checklist(commands: _Commands, behind: argparse.ArgumentParser) -> None:
    kinds = _family(
        commands,
        "checklist",
        "the practice's own items of the screening: show, set, clear",
        "The practice's own items of the screening; confirmed on the device.",
        {
            "show": "show the stored items",
            "set": "replace them by those of a file",
            "clear": "remove them",
        },
        [behind],
        run="checklist",
    )
    kinds["set"].add_argument("file", metavar="FILE.toml", help="[[item]] tables of text and kind")


def _operators(commands: _Commands, behind: argparse.ArgumentParser) -> None:
    kinds = _family(
        commands,
        "operators",
        "who may treat, override and confirm: list, add, remove, new PIN",
        "Operators. A PIN is entered at the device only.",
        {
            "list": "the stored operators, and who is signed in",
            "add": "store a new operator, who enters a PIN at the device",
            "remove": "remove an operator",
            "pin": "a new PIN for an operator, entered at the device",
        },
        [behind],
        run="operators",
        dest="do",
    )
    for name in ("add", "remove", "pin"):
        kinds[name].add_argument("number", type=int, metavar="NUMBER", help="1 to 20")
    roles = ("physician", "nurse", "technician")
    kinds["add"].add_argument("role", choices=roles, help="what the operator may")


def _stored() -> argparse.ArgumentParser:
    stored = _new(add_help=False)
    stored.add_argument(
        "--store",
        metavar="FILE",
        help="SQLite file, or postgresql://… (else CRYO_STORE, else your data folder)",
    )
    return stored


def _treatments(
    commands: _Commands, behind: argparse.ArgumentParser, stored: argparse.ArgumentParser
) -> None:
    sub = commands.add_parser(
        "treatments",
        help="stored treatments, a row each",
        description="Stored treatments, oldest first. Dates are UTC.",
        parents=[behind, stored],
    )
    sub.set_defaults(run="treatments")
    sub.add_argument("-n", type=int, metavar="N", default=50, help="the newest N (default 50)")
    sub.add_argument("--all", action="store_true", help="all of them")
    sub.add_argument("--since", metavar="DATE", help="2026-01-31, or a time with offset")
    sub.add_argument("--until", metavar="DATE", help="that day included")
    sub.add_argument("--serial", metavar="SERIAL", help="of this device")
    sub.add_argument("--reference", type=int, metavar="N", help="the practice's patient number")
    sub.add_argument("--operator", type=int, metavar="N", help="who armed; 0: nobody signed in")
    sub.add_argument("--result", metavar="RESULT", help="complete, fault, 'not frozen', ...")
    sub = commands.add_parser(
        "treatment",
        help="one treatment: the whole story",
        description="Checklist, purges, freezes, faults, observation and verification.",
        parents=[behind, stored],
    )
    sub.set_defaults(run="treatment")
    _number(sub)
    sub.add_argument("--fhir", action="store_true", help="as an HL7 FHIR bundle, R4B (JSON)")
    sub.add_argument("--udi", metavar="TEXT", help="with --fhir: the UDI on the device's label")
    sub.add_argument("-o", "--output", metavar="FILE", help="of --fhir; default: standard output")
    sub = commands.add_parser(
        "report",
        help="one treatment, or a session, as a page to print",
        description="One self-contained HTML file, for A4 and Letter.",
        parents=[behind, stored],
    )
    sub.set_defaults(run="report")
    _number(sub)
    sub.add_argument("--session", action="store_true", help="all treatments of its session")
    sub.add_argument("--no-records", action="store_true", help="leave the list of records out")
    sub.add_argument("-o", "--output", metavar="FILE", help="default: treatment-N.html")


def _patient(
    commands: _Commands, behind: argparse.ArgumentParser, stored: argparse.ArgumentParser
) -> None:
    def command(name: str, help_: str, *, rules: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name, help=help_, description=_sentence(help_), parents=[behind, stored]
        )
        sub.set_defaults(run="patient", what=name, rules=None)
        if rules:
            sub.add_argument("--rules", metavar="FILE.toml", help="intervals; else as delivered")
        return sub

    reference = {"type": int, "metavar": "REF", "help": "the practice's patient number"}
    sub = command("course", "a patient's sessions, what comes next, and warnings")
    sub.add_argument("reference", **reference)  # pyright: ignore[reportArgumentType]
    sub.add_argument("--on", metavar="DATE", help="is a session on this day too early?")
    sub = command("lesion", "name a lesion, and which treatments were of it", rules=False)
    sub.add_argument("reference", **reference)  # pyright: ignore[reportArgumentType]
    sub.add_argument("name", metavar="NAME", help="of the lesion, such as 'left thumb'")
    sub.add_argument("number", type=int, nargs="+", metavar="N", help="treatments")
    sub.add_argument("--serial", metavar="SERIAL", help="of this device")
    sub = command("outcome", "enter what was seen at a lesion", rules=False)
    sub.add_argument("reference", **reference)  # pyright: ignore[reportArgumentType]
    sub.add_argument("result", choices=("clear", "smaller", "same", "recurred"))
    sub.add_argument("--lesion", metavar="NAME", help="if the patient has several")
    sub.add_argument("--new", action="store_true", help="NAME is a new lesion")
    sub.add_argument("--on", metavar="DATE", help="the day (default: today, UTC)")
    for harm, words in (("pigment", "abnormal pigmentation"), ("scar", "a scar"),
                        ("blister", "a blister")):  # fmt: skip
        sub.add_argument(f"--{harm}", action="store_true", help=words)
    sub.add_argument("--note", metavar="TEXT")
    sub.add_argument("--by", metavar="NAME", help="who saw it (default: your login name)")
    command("outcomes", "clearance by sessions, profile, applicator and depth; harms")
    sub = command("aftercare", "the sheet for a treatment's patient, as a page to print")
    _number(sub)
    sub.add_argument("--language", default="en", metavar="L", help="en (default) or zh")
    sub.add_argument("--texts", metavar="FILE.toml", help="your own; else as delivered")
    sub.add_argument("-o", "--output", metavar="FILE", help="default: aftercare-N-L.html")


def _number(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("number", type=int, metavar="N", help="as `cryo treatments` lists it")
    sub.add_argument("--serial", metavar="SERIAL", help="of this device, if several have it")


def _store(
    commands: _Commands, behind: argparse.ArgumentParser, stored: argparse.ArgumentParser
) -> None:
    kinds = _family(
        commands,
        "store",
        "the file with the records: info, backup, restore, rebuild",
        "The file with the records.",
        {
            "info": "where it is, how large, and what is in it",
            "backup": "copy it while it is in use, and verify the copy",
            "restore": "add what a backup has and this file lacks, after verifying the backup",
            "rebuild": "make the tables of treatments again from the records",
        },
        [behind, stored],
        run="store_",
    )
    for name in ("backup", "restore"):
        kinds[name].add_argument("file", metavar="FILE", help="the backup")
    kinds["restore"].add_argument(
        "--keep-broken", action="store_true", help="also from a backup that does not verify"
    )


def _keys(commands: _Commands, behind: argparse.ArgumentParser) -> None:
    kinds = _family(
        commands,
        "keys",
        "the keys that sign journals: list, new, export, trust",
        "Keys (Ed25519). `cryo log pull` signs what it has pulled with the newest own one.",
        {
            "list": "the trusted keys, and which of them signs",
            "new": "make a key, which signs from now on; older ones stay trusted",
            "export": "write a public key, for others to check what it has signed",
            "trust": "trust a public key of another computer",
        },
        [behind],
        run="keys",
    )
    kinds["export"].add_argument("id", nargs="?", metavar="ID", help="default: the one that signs")
    kinds["export"].add_argument("-o", "--output", metavar="FILE", help="default: standard output")
    kinds["trust"].add_argument("file", metavar="FILE.pub", help="as `cryo keys export` wrote it")


def _sentence(help_: str) -> str:
    return help_[0].upper() + help_[1:] + "."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (see `cryo --help`)."""
    words = sys.argv[1:] if argv is None else argv
    parser = make_parser(brief=list(words[:1]) in (["-h"], ["--help"]))
    args = parser.parse_args(argv)
    args.parser = parser  # the manual page and the completion are made from it
    from host_tools.errors import CryoError

    try:
        from host_tools import commands

        code: int = getattr(commands, args.run)(args)
        sys.stdout.flush()
        return code
    except CryoError as error:
        _explain(error, as_json=args.json)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (`head`, say) has had enough. Python would complain once more at exit.
        sys.stdout = None  # pyright: ignore[reportAttributeAccessIssue]
        return 0


def _explain(error: CryoError, *, as_json: bool) -> None:
    if as_json:
        import json

        print(json.dumps({"error": error.as_dict()}, indent=2, ensure_ascii=False))
        return
    import textwrap

    detail: dict[str, object] = getattr(error, "detail", {})
    candidates: list[tuple[str, str]] = getattr(error, "candidates", [])
    lines = [error.text]
    if "min" in detail and "max" in detail:
        from host_tools.units import show_range

        low, high, unit = detail["min"], detail["max"], str(detail.get("unit", ""))
        if isinstance(low, int) and isinstance(high, int):
            lines.append(f"allowed: {show_range(low, high, unit)}  ({low}…{high} {unit})")
    lines += [f"  {port}   {about}" for port, about in candidates]
    if error.hint:
        lines.append("→ " + error.hint)
    mark = "\x1b[1;31mcryo:\x1b[0m " if sys.stderr.isatty() else "cryo: "
    sys.stdout.flush()
    for index, line in enumerate(lines):
        print(
            textwrap.fill(
                line,
                78,
                initial_indent=" " * 6,
                subsequent_indent=" " * (8 if line.startswith(("→", " ")) else 6),
                break_long_words=False,
                break_on_hyphens=False,
            ).replace("      ", mark if index == 0 else "      ", 1),
            file=sys.stderr,
        )
