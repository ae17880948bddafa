"""`cryo config`: all settings of a device as a file; compared, written, and applied as a whole.

May import `config_file`, `config_import`, `device`, `errors` and the standard library;
`render_config` in a function.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host_tools.config_file import OF_PATIENT, File, FileRefused, Problem, check, read_file, written
from host_tools.config_import import Import, NotImported, changes_to, values_of
from host_tools.errors import LocalError, UsageError

if TYPE_CHECKING:
    from host_tools.description import Description
    from host_tools.device import Device


def run(args: Namespace, device: Device, description: Description) -> dict[str, Any] | None:
    """`cryo config diff|export|import`. Returns what `--json` prints; None: it is on stdout."""
    if args.what == "export":
        return _export(args, device, description)
    hello = device.hello()
    file = read_file(Path(args.file)) if args.file else None
    wanted: dict[str, int] = {}
    problems: list[Problem] = []
    if file is not None:
        wanted, problems = check(file, description, hello.serial)
    if args.what == "diff":
        return _diff(args, device, description, file, wanted, problems)
    assert file is not None
    if problems:
        raise FileRefused(file.name, problems)
    return _import(args, device, description, file, wanted)


def _export(args: Namespace, device: Device, description: Description) -> dict[str, Any] | None:
    if args.json and args.output is None:
        raise UsageError("--json reports on the export, so the settings need a file", "-o FILE")
    hello = device.hello()
    values = values_of(device, description)
    text = written(hello, description, values)
    if args.output is None:
        print(text, end="")
        return None
    path = Path(args.output)
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(path)
    except OSError as error:
        raise LocalError(f"cannot write {path}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
    count = sum(key not in OF_PATIENT for key in values)
    if not args.json:
        print(f"{count} settings of {hello.serial} written to {path}")
    return {"serial": hello.serial, "settings": count, "file": str(path)}


def _diff(
    args: Namespace, device: Device, description: Description, file: File | None,
    wanted: Mapping[str, int], problems: list[Problem],
) -> dict[str, Any]:  # fmt: skip
    now = values_of(device, description)
    rows = [row for row in description.settings if row.key not in OF_PATIENT]
    listed = [
        row for row in rows
        if wanted.get(row.key, now[row.key]) != now[row.key] or now[row.key] != row.default
        or wanted.get(row.key, row.default) != row.default
    ]  # fmt: skip
    left_out = [row.key for row in rows if file is not None and row.key not in file.settings]
    if not args.json:
        from host_tools import render_config

        render_config.differences(listed, now, wanted, description, left_out, file is not None)
    if problems:
        assert file is not None
        raise FileRefused(file.name, problems)
    data = [
        {
            "key": row.key, "unit": row.unit, "who": row.who, "device": now[row.key],
            "file": wanted.get(row.key), "default": row.default,
            "changes": wanted.get(row.key, now[row.key]) != now[row.key],
        }
        for row in listed
    ]  # fmt: skip
    equal = not any(row["changes"] for row in data)
    return {"file": file.name if file else None, "equal": equal, "differences": data,
            "not_in_file": left_out}  # fmt: skip


def _import(
    args: Namespace, device: Device, description: Description, file: File,
    wanted: Mapping[str, int],
) -> dict[str, Any]:  # fmt: skip
    before = values_of(device, description)
    planned = changes_to(wanted, before, description)
    task = Import(device, description, before)
    if not args.json:
        from host_tools import render_config

        render_config.planned(planned, description)
        asks = sum(change.row.who != "host" for change in planned)
        task.confirm = render_config.asking(asks, description)
        task.say = render_config.say
    try:
        changes = task.apply(wanted)
    except (NotImported, KeyboardInterrupt) as error:
        if not args.json:
            from host_tools import render_config

            told = error.changes if isinstance(error, NotImported) else task.done
            render_config.results(told, description)
        raise
    if not args.json:
        from host_tools import render_config

        render_config.results(changes, description, task.brought)
    return {
        "file": file.name,
        "outcome": "applied" if changes else "unchanged",
        "changes": [change.as_dict() for change in changes],
        "brought": [change.as_dict() for change in task.brought],
    }
