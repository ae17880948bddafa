"""What each `cryo` command does. Imported only when one is run; imports the rest as needed.

Every function takes the parsed arguments and returns the exit code. Data goes to standard output
(text by `render`, or one JSON object), progress and errors to standard error.
"""

import json
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from host_tools.errors import (
    CryoError,
    IntegrityError,
    LocalError,
    NotConfirmed,
    Refused,
    UsageError,
)

if TYPE_CHECKING:
    from host_tools.description import Description, Setting
    from host_tools.device import Device
    from host_tools.records import Record
    from host_tools.release import Release
    from host_tools.signed_heads import SignedHead
    from host_tools.store import Store
    from host_tools.treatments import Treatment


def _print_json(data: object, *, indent: int | None = 2) -> None:
    print(json.dumps(data, indent=indent, ensure_ascii=False))


def _answer(args: Namespace, data: object, code: int = 0) -> int:
    """The end of a command that has printed its text: the same as JSON, if that was asked for."""
    if args.json:
        _print_json(data)
    return code


def _vouched(args: Namespace, data: dict[str, Any], problems: list[str], what: str) -> int:
    """As `_answer`, with what is wrong with the records behind `what`: then the exit code is 5."""
    from host_tools import vouching

    if not args.json:
        sys.stdout.flush()
        vouching.say(problems, what)
    verified = {"verified": not problems, "problems": problems}
    return _answer(args, data | verified, 5 if problems else 0)


def _timeout_s(args: Namespace) -> float:
    """How long one try waits for a reply. UsageError unless it is more than 0."""
    from host_tools.link import TIMEOUT_S

    timeout_s: float = TIMEOUT_S if args.timeout is None else args.timeout
    if timeout_s <= 0:
        raise UsageError("--timeout must be more than 0")
    return timeout_s


def _address(args: Namespace) -> "tuple[str, Callable[[str], Device]]":
    """Where the device is, and what opens it there."""
    from host_tools.device import Device
    from host_tools.link import Link
    from host_tools.ports import find_port
    from host_tools.transport import open_transport

    url: str = args.port or os.environ.get("CRYO_PORT") or find_port()
    timeout_s = _timeout_s(args)

    def open_at(url: str) -> Device:
        # The simulator is deterministic, and stays so only if what it is sent is.
        first_id = 1 if url.lower().startswith("sim://") else None
        return Device(Link(open_transport(url), timeout_s=timeout_s, first_id=first_id))

    return url, open_at


@contextmanager
def _device(args: Namespace) -> "Generator[Device]":
    url, open_at = _address(args)
    device = open_at(url)
    try:
        yield device
    finally:
        device.link.close()


# -- the device -----------------------------------------------------------------------------


def ports(args: Namespace) -> int:
    """`cryo ports`."""
    from host_tools.ports import list_ports

    found = list_ports()
    if args.json:
        _print_json({"ports": [asdict(info) for info in found]})
    else:
        from host_tools import render

        render.ports(found)
    return 0


def info(args: Namespace) -> int:
    """`cryo info [PART]`."""
    from host_tools.description import PARTS

    if args.part is not None and args.part not in PARTS:
        raise UsageError(f"no part '{args.part}'", "the parts are: " + ", ".join(PARTS))
    with _device(args) as device:
        hello = device.hello()
        if args.part is not None:
            table = device.describe(args.part)
            if args.json:
                rows = [dict(zip(table.columns, row, strict=False)) for row in table.rows]
                _print_json({"serial": hello.serial, "part": table.part, "rows": rows})
            else:
                from host_tools import render

                render.table(table)
            return 0
        try:
            clock = device.time()
        except Refused:  # the valve is open
            clock = None
        if args.json:
            data = asdict(hello) | {"port": device.link.transport.url}
            _print_json(data | {"clock": asdict(clock) if clock else None})
        else:
            from host_tools import render

            render.info(hello, device.link.transport.url, clock)
    return 0


def _describe_settings(device: "Device", key: str | None = None) -> "Description":
    """The settings, and the lists whose things a setting may number (all, or that of `key`)."""
    from host_tools.description import PARTS, Description

    tables = [device.describe("settings")]
    keys = [str(row[1]) for row in tables[0].rows] if key is None else [key]
    tables += [device.describe(part) for part in PARTS if part.removesuffix("s") in keys]
    return Description(tables)


def _known(description: "Description", key: str) -> "Setting":
    row = description.setting(key)
    if row is None:
        import difflib

        near = difflib.get_close_matches(key, [row.key for row in description.settings], 3, 0.4)
        error = Refused("unknown_key", f"the device has no setting '{key}'")
        error.hint = f"did you mean {', '.join(near)}?" if near else "`cryo get` lists them"
        raise error
    return row


def get(args: Namespace) -> int:
    """`cryo get [KEY]`."""
    with _device(args) as device:
        description = _describe_settings(device, args.key)
        rows = description.settings
        if args.key is not None:
            rows = (_known(description, args.key),)
        values = device.get_all(rows)
    if args.json:
        data = [
            asdict(row) | {"value": value.value, "pending": value.pending}
            for row, value in zip(rows, values, strict=True)
        ]
        _print_json(data[0] if args.key is not None else {"settings": data})
    else:
        from host_tools import render

        if args.key is not None:
            render.setting(rows[0], values[0], description)
        else:
            render.settings(rows, values, description)
    return 0


def set_(args: Namespace) -> int:
    """`cryo set KEY VALUE`."""
    from host_tools import units

    with _device(args) as device:
        description = _describe_settings(device, args.key)
        row = _known(description, args.key)
        part = description.part_of(row.key, row.unit)
        number = description.find(part, args.value) if part else None
        new_value = units.parse(args.value, row.unit) if number is None else number
        old = device.get(row.key).value
        data: dict[str, Any] = {"key": row.key, "unit": row.unit, "old": old, "value": new_value}
        data |= {"min": row.min, "max": row.max}
        if not args.json:
            from host_tools import render

            render.change(row, old, new_value, description)
        reply = device.set(row.key, new_value)
        if reply.applied:
            outcome = "applied"
        elif args.no_wait:
            raise NotConfirmed(
                f"{row.key} keeps its value until the change is confirmed: {reply.confirm}",
                "pending",
            )
        elif args.json:
            device.wait_confirmed(reply)
            outcome = "confirmed"
        else:
            from host_tools import render

            with render.waiting(reply) as tick:
                device.wait_confirmed(reply, tick)
            outcome = "confirmed"
    if args.json:
        _print_json(data | {"outcome": outcome})
    else:
        from host_tools import render

        render.changed(row, new_value, outcome, description)
    return 0


def config(args: Namespace) -> int:
    """`cryo config diff|export|import`."""
    from host_tools import config as configs

    with _device(args) as device:
        data = configs.run(args, device, _describe_settings(device))
    if args.json and data is not None:
        _print_json(data)
    return 0


def status(args: Namespace) -> int:
    """`cryo status [--watch [S]]`."""
    with _device(args) as device:
        if args.watch is None:
            reply = device.status()
            if args.json:
                _print_json(reply)
                return 0
            from host_tools import render

            render.status(_with_names(device, reply), _fault_rows(device, reply))
            return 0
        if args.watch <= 0:
            raise UsageError("--watch must be more than 0")
        if args.json:
            while True:
                _print_json(device.status(), indent=None)
                sys.stdout.flush()
                device.link.wait_event(lambda _: False, args.watch)
        from host_tools import render

        with render.live() as update:
            while True:
                reply = device.status()
                faults = _fault_rows(device, reply)
                update(render.status_panel(_with_names(device, reply), faults))
                device.link.wait_event(lambda _: False, args.watch)


def monitor(args: Namespace) -> int:
    """`cryo monitor`."""
    from host_tools import monitor as monitors

    if args.every <= 0 or args.count < 0:
        raise UsageError("--every must be more than 0, --count at least 0")
    return monitors.run(args, _timeout_s(args))


def _with_names(device: "Device", reply: dict[str, Any]) -> dict[str, Any]:
    """The status with the applicator's name instead of its number, where it can be had."""
    number = reply.get("applicator")
    if not isinstance(number, int):
        return reply
    try:
        rows = device.describe("applicators").rows
    except Refused:
        return reply
    return reply | {"applicator": next((str(row[1]) for row in rows if row[0] == number), number)}


def _fault_rows(device: "Device", reply: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of `describe` for the faults that are active, or [] when it cannot be asked."""
    numbers = reply.get("faults")
    if not numbers:
        return []
    try:
        return [row for row in device.describe("faults").rows if row[0] in numbers]
    except Refused:
        return []


def time_(args: Namespace) -> int:
    """`cryo time [--set [WHEN]]`."""
    import time
    from datetime import datetime

    if args.when is None:
        utc_s = None
    elif args.when == "now":
        utc_s = 0  # when it is sent
    else:
        try:
            when = datetime.fromisoformat(args.when)
        except ValueError:
            raise UsageError(
                f"'{args.when}' is no time", "like this: 2024-06-02T15:04:05+02:00"
            ) from None
        if when.tzinfo is None:
            raise UsageError(
                f"'{args.when}' does not say in which time zone",
                "put an offset behind it, such as +02:00, or Z for UTC",
            )
        utc_s = round(when.timestamp())
    with _device(args) as device:
        if utc_s is None:
            clock = device.time()
        else:
            clock = device.set_time(utc_s) if utc_s else device.synchronise()
    here_s = time.time()
    ahead_s = round(clock.utc_s - here_s) if clock.utc_s else None
    if args.json:
        from host_tools.wall_clock import iso

        told = {"time": iso(clock.utc_s) or None, "ahead_of_host_s": ahead_s}
        _print_json(asdict(clock) | told)
    else:
        from host_tools import render

        render.clock(clock, ahead_s, was_set=utc_s is not None)
    return 0


def calibrate(args: Namespace) -> int:
    """`cryo calibrate depth|valve|clock|show|remove`."""
    from host_tools import calibrate
    from host_tools.extras import require

    if args.what in ("depth", "valve", "clock"):
        require("calibrate", "a fit", "numpy", "scipy")
    if getattr(args, "plot", None):
        require("calibrate", "--plot", "matplotlib")
    with _device(args) as device:
        data = getattr(calibrate, args.what)(args, device)
    return _answer(args, data)


def plan(args: Namespace) -> int:
    """`cryo plan`."""
    from host_tools import calibrate

    with _device(args) as device:
        data = calibrate.plan(args, device)
    return _answer(args, data)


def checklist(args: Namespace) -> int:
    """`cryo checklist show|set FILE|clear`."""
    from host_tools import checklist as own

    with _device(args) as device:
        data = own.run(args, device)
    return _answer(args, data)


def operators(args: Namespace) -> int:
    """`cryo operators list|add|remove|pin`."""
    from host_tools import operators as of_device

    with _device(args) as device:
        data = of_device.run(args, device)
    return _answer(args, data)


def maintenance(args: Namespace) -> int:
    """`cryo maintenance`."""
    with _device(args) as device:
        device.maintenance(lambda text: None if args.json else print(text, file=sys.stderr))
    text = "the application has ended; strike the E-stop, and keep it struck, for the prompt"
    if args.json:
        _print_json({"text": text})
    else:
        print(text)
    return 0


PRESENCE_S = 120.0
"""How long `cryo update` waits for the E-stop to be struck at the device."""


def doctor(args: Namespace) -> int:
    """`cryo doctor`. Exit code 8 unless every check has passed."""
    from host_tools import doctor as doctors

    url: str = args.port or os.environ.get("CRYO_PORT") or ""
    if url.lower().startswith("sim://") and not args.read_only:
        raise UsageError(
            "sim:// has nobody who presses its buttons",
            "start `cryo panel`, then `cryo --port socket://127.0.0.1:8090 doctor` beside it",
        )
    with _device(args) as device:
        data, code = doctors.run(args, device)
    return _answer(args, data, code)


def update(args: Namespace) -> int:
    """`cryo update [IMAGE]`."""
    from host_tools import release as releases, update as updates
    from host_tools.ports import find_port
    from host_tools.prompt import Prompt

    release = releases.load(Path(args.image) if args.image else releases.default_folder())
    url: str = args.port or os.environ.get("CRYO_PORT") or find_port()
    if url.lower().startswith("sim://"):
        raise UsageError("the simulated device cannot be updated: it runs the firmware's source")
    timeout_s = _timeout_s(args)

    def say(text: str) -> None:
        if not args.json:
            print(text, file=sys.stderr)

    unsigned = _unsigned(args, release)
    if unsigned:
        say(f"! NOT a signed release ({unsigned}): who strikes the E-stop now, agrees to it")

    prompt = Prompt(url, timeout_s * 40)
    was = updates.leave_application(url, timeout_s, lambda: prompt.answers(timeout_s), say)
    say("the device restarts into maintenance" if was else "the device is in maintenance already")
    say("at the device: strike the E-stop, and keep it struck until the update has ended")
    prompt.wait(max(timeout_s * 20, PRESENCE_S), timeout_s)
    try:
        ready = updates.prepare(prompt, release, say, in_place=args.in_place)
    except CryoError:
        say("the old firmware is untouched; the device restarts")
        with suppress(CryoError):  # the first error is the one to be told
            prompt.reset()
        raise
    change = updates.switch(prompt, ready, say)
    say("the device restarts")
    prompt.reset()
    now = updates.wait_for_application(url, release, change.serial, timeout_s)
    if args.json:
        data = {"was": was.fw if was else None, "fw": now.fw, "commit": release.commit}
        data |= {"signed": not unsigned, "image": release.image}
        _print_json(asdict(change) | data | {"changed": release.changed, "state": now.state})
    else:
        about = f"{now.fw} ({(release.commit or 'unknown')[:12]}{' + changes' * release.changed})"
        print(
            f"{now.serial}: firmware {about}, {now.state}; {len(change.copied)} files copied, "
            f"{len(change.removed)} removed, {change.kept} kept"
        )
        if release.image:
            print(f"each start records this image as {release.image}")
        if now.state == "FAULT":
            print("Turn the E-stop back, then hold SELECT for 2 s.")
    return 0


def _unsigned(args: Namespace, release: "Release") -> str:
    """Why the image is no signed release, where `--unsigned` takes it all the same; else empty.

    Raises IntegrityError or LocalError where it was not given.
    """
    from host_tools import release as releases

    try:
        why = releases.not_signed_because(release)
    except LocalError as error:
        if not args.unsigned:
            raise
        return error.text
    if why and not args.unsigned:
        raise IntegrityError(
            f"{release.folder} is not a signed release of Cryodose: {why}",
            "if you built it or know who did: repeat with --unsigned, and confirm it at the device",
        )
    return why


def completion(args: Namespace) -> int:
    """`cryo completion SHELL`."""
    from host_tools import documents

    return _print_document(args, documents.completion(args.shell, args.parser))


def man(args: Namespace) -> int:
    """`cryo man`."""
    from host_tools import documents

    return _print_document(args, documents.manual(args.parser))


def udev(args: Namespace) -> int:
    """`cryo udev`."""
    from host_tools import documents

    return _print_document(args, documents.udev_rule())


def _print_document(args: Namespace, text: str) -> int:
    if args.json:
        _print_json({"text": text})
    else:
        print(text, end="")
    return 0


def agent(args: Namespace) -> int:
    """`cryo agent [PORT...]`: serves until SIGTERM or Ctrl-C, which are its proper end."""
    import signal

    from host_tools import agent as agents, agent_reports as reports

    if args.unit:
        from host_tools import documents

        return _print_document(args, documents.unit(sys.argv[0]))
    if args.every <= 0:
        raise UsageError("--every must be more than 0")
    named = [*args.ports, *([args.port] if args.port else [])]
    simulated = any(port.lower().startswith("sim://") for port in named)
    place = _place(args, simulated)
    tell = [reports.lines(args.json)]
    with ExitStack() as stack:
        if args.metrics or args.textfile:
            metrics = reports.Metrics(args.metrics, args.textfile)
            stack.callback(metrics.close)
            tell.append(metrics.report)
        if args.mqtt:
            mqtt = reports.Mqtt(args.mqtt)
            stack.callback(mqtt.close)
            tell.append(mqtt.report)
        wanted = agents.Wanted(place, named, args.every, not args.no_release, _timeout_s(args))
        serving = agents.Agent(wanted, tell)

        def end(_number: int, _frame: object) -> None:
            serving.end()

        for number in (signal.SIGTERM, signal.SIGINT):
            stack.callback(signal.signal, number, signal.signal(number, end))
        serving.run()
    return 0


def demo(args: Namespace) -> int:
    """`cryo demo`."""
    from host_tools.demo import run

    return run(Path(args.out), json=args.json)


def panel(args: Namespace) -> int:
    """`cryo panel`."""
    from host_tools.panel import run

    return run(
        args.bench,
        web_port=args.web,
        tcp_port=args.tcp,
        skin_sensor=args.skin_sensor,
        replay=Path(args.replay) if args.replay else None,
        show=not args.no_browser,
    )


# -- the journal ----------------------------------------------------------------------------


def _store(args: Namespace, *, create: bool = False) -> "Store":
    from host_tools.store import Store

    port: str = args.port or os.environ.get("CRYO_PORT") or ""
    return Store(_place(args, port.lower().startswith("sim://")), create=create)


def _place(args: Namespace, simulated: bool) -> "Path | str":
    from host_tools.store import default_place

    return args.store or default_place(simulated)


def _serial(args: Namespace, store: "Store") -> str:
    serials = store.serials()
    if args.serial is not None:
        if args.serial not in serials:
            raise UsageError(
                f"no records of {args.serial} are stored", f"stored are: {', '.join(serials)}"
            )
        return args.serial
    if not serials:
        raise LocalError(f"nothing stored yet in {store.name}", "`cryo log pull` fetches it")
    if len(serials) > 1:
        raise UsageError(
            f"records of {len(serials)} devices are stored",
            f"say which with --serial: {', '.join(serials)}",
        )
    return serials[0]


def _kinds(args: Namespace, description: "Description") -> set[int]:
    """The numbers of the kinds of records that the command line names."""
    kinds: set[int] = set()
    for name in args.kind:
        number = description.find("records", name)
        if number is None:
            known = ", ".join(kind.name for kind in description.kinds.values())
            raise UsageError(f"no kind of record '{name}'", f"there are: {known}")
        kinds.add(number)
    return kinds


def _chosen(
    args: Namespace, store: "Store", serial: str, description: "Description", newest: int | None
) -> "list[Record]":
    if not args.kind:
        return list(store.records(serial, args.first, args.last, newest=newest))
    from collections import deque

    from host_tools.records import decode_at

    raws = store.raws(serial, args.first, args.last, _kinds(args, description))
    return [decode_at(seq, raw) for seq, raw in deque(raws, maxlen=newest)]


def log_pull(args: Namespace) -> int:
    """`cryo log pull [--all] [--no-release]`, going on by itself when the port vanishes."""
    from host_tools.journal_signing import sign_head
    from host_tools.keys import Keyring
    from host_tools.resume import pull_on, reach

    url, open_at = _address(args)
    with ExitStack() as stack:
        progress = None
        if not args.json:
            from host_tools import render

            progress = stack.enter_context(render.pulling())
        reached = stack.enter_context(reach(url, open_at, _say))
        store = stack.enter_context(_store(args, create=True))
        result = pull_on(
            reached,
            store,
            whole=args.all,
            keep_broken=args.keep_broken,
            release=not args.no_release,
            progress=progress,
        )
        counts = asdict(reached.device.link.counts)
        path = store.name
        signed = sign_head(store, result.serial, Keyring())
    if args.json:
        data = asdict(result) | {"repeated": result.repeated, "verified": not result.broken}
        head = None if signed.head is None else signed.head.as_dict()
        data |= {"signed": head, "not_signed": signed.why_not}
        _print_json(data | {"seconds": round(result.seconds, 3), "store": path, "link": counts})
    else:
        from host_tools import render

        render.pulled(result, path)
        render.signed(signed)
    return 5 if result.broken else 0


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def log_follow(args: Namespace) -> int:
    """`cryo log follow`: pull again and again, and print what is new, until Ctrl-C."""
    from host_tools.records import as_dict
    from host_tools.resume import pull_on, reach

    if args.every <= 0:
        raise UsageError("--every must be more than 0")
    url, open_at = _address(args)
    with reach(url, open_at, _say) as reached, _store(args, create=True) as store:
        shown: int | None = None
        while True:
            result = pull_on(reached, store)
            description = store.description(result.serial)
            kinds = _kinds(args, description) if args.kind else None
            if shown is None:
                shown = max(0, result.head - args.n)
            for record in store.records(result.serial, shown + 1):
                shown = record.seq
                if kinds is not None and record.kind not in kinds:
                    continue
                if args.json:
                    _print_json(
                        {"device": result.serial} | as_dict(record, description), indent=None
                    )
                else:
                    from host_tools import render

                    render.record(record, description)
            sys.stdout.flush()
            reached.device.link.wait_event(lambda _: False, args.every)


def log_show(args: Namespace) -> int:
    """`cryo log show`. Exit code 5 when what it shows does not verify."""
    from host_tools import vouching
    from host_tools.records import as_dict

    if args.n < 1:
        raise UsageError("-n must be at least 1")
    with _store(args) as store:
        serial = _serial(args, store)
        description = store.description(serial)
        records = _chosen(args, store, serial, description, None if args.all else args.n)
        last = store.last_seq(serial)
        spans = [(records[0].seq, records[-1].seq)] if records else []
        problems = vouching.of_spans(store, serial, spans)
    if args.json:
        rows = [as_dict(record, description) for record in records]
    else:
        from host_tools import render

        rows = []
        render.records(serial, records, description, last)
    return _vouched(args, {"serial": serial, "last": last, "records": rows}, problems, "this list")


def log_export(args: Namespace) -> int:
    """`cryo log export`: records of one device, or (`--treatments`) treatments of all.

    Exit code 5 when the records behind it do not verify; they are written all the same.
    """
    from host_tools import export, vouching

    if args.output is None and args.json:
        raise UsageError("--json reports on the export, so the records need a file", "-o FILE")
    if args.output is None and args.format == "parquet":
        raise UsageError("a Parquet file cannot go to standard output", "-o FILE")
    with _store(args) as store, ExitStack() as stack:
        if args.treatments:
            if args.kind or args.first != 1 or args.last is not None:
                raise UsageError("--kind, --from and --to choose records, not treatments")
            what, serial = "treatments", args.serial
            rows = _treatments_of(args, store)
            problems = vouching.of_all(store, [serial] if serial else store.serials())
            heads: list[SignedHead] = []
            stack.callback(rows.close)  # also when the reader has had enough

            def write(out: BinaryIO) -> int:
                return export.TREATMENTS[args.format](out, rows)
        else:
            what, serial = "records", _serial(args, store)
            description = store.description(serial)
            kinds = _kinds(args, description) if args.kind else None
            last = store.last_seq(serial) if args.last is None else args.last
            problems = vouching.of_spans(store, serial, [(args.first, last)])
            heads = [head for head in store.heads(serial) if head.seq >= args.first]
            raws = store.raws(serial, args.first, args.last, kinds)
            stack.callback(raws.close)

            def write(out: BinaryIO) -> int:
                return export.RECORDS[args.format](out, serial, raws, description)

        if args.output is None:
            sys.stdout.flush()
            write(sys.stdout.buffer)
            sys.stdout.buffer.flush()
            return _vouched(args, {}, problems, "this export")
        path = Path(args.output)
        count = _write_file(path, write)
        beside = _write_heads(path, heads)
    data = {"serial": serial, what: count, "format": args.format, "layout": export.LAYOUT}
    data |= {"file": str(path), "heads": len(heads), "heads_file": beside and str(beside)}
    if not args.json:
        print(f"{count} {what}{f' of {serial}' if serial else ''} written to {path}")
        if beside:
            print(f"{len(heads)} signed heads written to {beside}")
    return _vouched(args, data, problems, "this export")


def _write_heads(path: Path, heads: "list[SignedHead]") -> Path | None:
    """Signed heads beside an export of records; None, and no file, where there are none."""
    from host_tools.signed_heads import to_lines

    if not heads:
        return None
    beside = path.with_name(path.name + ".heads.jsonl")
    _write_file(beside, lambda out: out.write(to_lines(heads).encode()))
    return beside


def _write_file(path: Path, write: Callable[[BinaryIO], int]) -> int:
    """A complete file or none. Raises LocalError when it cannot be written."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as out:
            count = write(out)
        part.replace(path)
    except OSError as error:
        raise LocalError(f"cannot write {path}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
    return count


def _treatments_of(
    args: Namespace, store: "Store"
) -> "Generator[tuple[str, Treatment, Description]]":
    from host_tools.projection import Wanted

    if args.serial is not None:
        _serial(args, store)
    for serial, treatment in store.each_treatment(Wanted(serial=args.serial)):
        yield serial, treatment, store.description(serial)


def log_verify(args: Namespace) -> int:
    """`cryo log verify [--heads FILE]`."""
    from host_tools.journal_signing import check
    from host_tools.keys import Keyring

    heads = [head for name in args.heads for head in _heads_in(Path(name))]
    ring = Keyring()
    with _store(args) as store:
        serials = [_serial(args, store)] if args.serial is not None else store.serials()
        found = [check(store, serial, ring, heads=heads) for serial in serials]
    strange = sorted({head.serial for head in heads} - set(serials))
    good = all(checked.good for checked in found) and not strange
    if args.json:
        devices = [checked.as_dict() for checked in found]
        _print_json({"good": good, "devices": devices, "no_records_of": strange})
    else:
        from host_tools import render

        render.verdicts(found, strange)
    return 0 if good else 5


def _heads_in(path: Path) -> "list[SignedHead]":
    from host_tools.signed_heads import from_lines

    try:
        return from_lines(path.read_text("utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise LocalError(f"cannot read {path}: {error}") from None


def log_heads(args: Namespace) -> int:
    """`cryo log heads`: the signed heads, as JSON Lines."""
    from host_tools.signed_heads import to_lines

    with _store(args) as store:
        serials = [_serial(args, store)] if args.serial is not None else store.serials()
        heads = [head for serial in serials for head in store.heads(serial)]
    if args.output is None:
        if args.json:
            _print_json({"heads": [head.as_dict() for head in heads]})
        else:
            print(to_lines(heads), end="")
        return 0
    path = Path(args.output)
    _write_file(path, lambda out: out.write(to_lines(heads).encode()))
    if not args.json:
        print(f"{len(heads)} signed heads written to {path}")
    return _answer(args, {"heads": len(heads), "file": str(path)})


def keys(args: Namespace) -> int:
    """`cryo keys list|new|export|trust`."""
    from host_tools import keys as of_practice

    return _answer(args, of_practice.run(args, of_practice.Keyring()))


# -- treatments -----------------------------------------------------------------------------


def treatments(args: Namespace) -> int:
    """`cryo treatments`. Exit code 5 when records of the treatments shown do not verify."""
    from host_tools import practice

    with _store(args) as store:
        data = practice.listed(args, store)
    return _vouched(args, data, data["problems"], "this list")


def treatment(args: Namespace) -> int:
    """`cryo treatment N [--fhir]`. Exit code 5 when the device's records do not verify."""
    from host_tools import practice

    if not args.fhir and (args.output is not None or args.udi is not None):
        raise UsageError("-o and --udi belong to --fhir")
    if args.fhir and args.json and args.output is None:
        raise UsageError("--json reports on the export, so the bundle needs a file", "-o FILE")
    with _store(args) as store:
        if args.fhir:
            return _fhir(args, store)
        data = practice.told(args, store)
    return _answer(args, data, 0 if data["verification"]["chain_good"] else 5)


def _fhir(args: Namespace, store: "Store") -> int:
    from host_tools import fhir, practice
    from host_tools.story import story

    serial, found = practice.find(args, store)
    data = story(store, serial, found, store.description(serial))
    firmware = next(device.fw for device in store.devices() if device.serial == serial)
    text = fhir.checked(fhir.bundle(data, firmware, fhir.now(), args.udi))
    good = bool(data["verification"]["chain_good"])
    if args.output is None:
        print(text, end="")
        return 0 if good else 5
    path = Path(args.output)
    _write_file(path, lambda out: out.write(text.encode()))
    if args.json:
        _print_json({"serial": serial, "number": found.seq, "file": str(path), "verified": good})
    else:
        print(f"treatment {found.seq} of {serial} written to {path}")
    return 0 if good else 5


def report(args: Namespace) -> int:
    """`cryo report N`. Exit code 5 when the device's records do not verify."""
    from host_tools import report as reports

    with _store(args) as store:
        data = reports.make(args, store)
    return _answer(args, data, 0 if data["verified"] else 5)


def patient(args: Namespace) -> int:
    """`cryo course`, `lesion`, `outcome`, `outcomes`, `aftercare`.

    Exit code 5 when records behind what is shown do not verify.
    """
    from host_tools import patient as patients, practice, vouching
    from host_tools.projection import Wanted

    with _store(args) as store:
        data = getattr(patients, args.what)(args, store)
        if args.what == "course":
            found = store.treatments(Wanted(reference=args.reference))
            problems = vouching.of_treatments(store, found)
        elif args.what == "aftercare":
            problems = vouching.of_treatments(store, [practice.find(args, store)])
        else:
            problems = vouching.of_all(store, store.serials()) if args.what == "outcomes" else []
    return _vouched(args, data, problems, "this")


def store_(args: Namespace) -> int:
    """`cryo store backup|restore|info|rebuild`. Exit code 5: stored records do not verify."""
    from host_tools import backup

    with _store(args, create=args.what == "restore") as store:
        data = getattr(backup, args.what)(args, store)
    return _answer(args, data, 0 if data.get("verified", True) else 5)
