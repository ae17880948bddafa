"""`cryo store info|backup|restore|rebuild`: the file with the records, kept safe.

Imported only when one of them is run; imports `store`, `projection`, `errors` and the standard
library.

A backup is a whole store in one file, made while others use the original. A restore adds what is
missing and never replaces anything: records are compared, and a contradiction ends it.
"""

from __future__ import annotations

import tempfile
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

from host_tools.errors import IntegrityError, LocalError
from host_tools.projection import Wanted
from host_tools.store import SCHEMA_VERSION, Store, Verdict, copy_file

_BATCH = 5000


def info(args: Namespace, store: Store) -> dict[str, Any]:
    """Where the store is, its size, and its devices."""
    devices = [asdict(device) for device in store.devices()]
    data: dict[str, Any] = {
        "file": store.name,
        "bytes": store.size_bytes(),
        "version": SCHEMA_VERSION,
        "treatments": store.treatment_count(),
        "devices": devices,
    }
    if not args.json:
        print(f"{store.name}: {data['bytes'] / 1e6:.1f} MB, version {SCHEMA_VERSION} of the file")
        for device in devices:
            print(f"  {device['serial']}: {device['count']} records, newest #{device['last']}")
        print(f"  {data['treatments']} treatments")
    return data


def backup(args: Namespace, store: Store) -> dict[str, Any]:
    """Copy the store to a new file and verify the copy, record by record.

    Raises LocalError: the file exists already, or cannot be written; IntegrityError: the copy has
    other records. A store that does not verify is copied all the same, and said so.
    """
    path = Path(args.file)
    if path.exists():
        raise LocalError(f"{path} exists already", "a backup never replaces a file: name a new one")
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    try:
        if store.in_file:
            copy_file(store.path, part)
        with Store(part, create=not store.in_file) as copy:
            if not store.in_file:
                copy_records(store, copy)
            verdicts = [copy.verify(serial) for serial in copy.serials()]
            copied = {verdict.serial: verdict.count for verdict in verdicts}
            for device in store.devices():  # it may have grown meanwhile
                if copied.get(device.serial, 0) > device.count:
                    raise IntegrityError(f"the copy of {device.serial} has other records")
            copy.check_database()
            copy.settle()
        part.replace(path)
    except OSError as error:
        raise LocalError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)
    return _report(args, {"file": str(path), "bytes": path.stat().st_size}, verdicts, "backed up")


def copy_records(store: Store, copy: Store) -> None:
    """Bring all that a store on a server has into an empty file, record by record."""
    for serial in store.serials():
        copy.merge(store, serial, _BATCH, keep_broken=True)
        for head in store.heads(serial):
            copy.add_head(head)
    copy.merge_course(store)


def restore(args: Namespace, store: Store) -> dict[str, Any]:
    """Add what a backup has and the store lacks. Raises IntegrityError where they contradict."""
    path = Path(args.file)
    if store.in_file and path.resolve() == store.path.resolve():
        raise LocalError(f"{path} is the store itself", "name the store with --store")
    if not path.exists():
        raise LocalError(f"there is no file {path}")
    added = 0
    # The backup itself is only read: what is opened, and brought to this version, is a copy.
    beside = store.path.parent if store.in_file else None
    with tempfile.TemporaryDirectory(dir=beside) as folder:
        copy = Path(folder) / "backup.sqlite"
        copy_file(path, copy)
        with Store(copy, create=False) as source:
            source.check_database()
            verdicts = [source.verify(serial) for serial in source.serials()]
            bad = [verdict.serial for verdict in verdicts if not verdict.good]
            if bad and not args.keep_broken:
                raise IntegrityError(
                    f"the backup's records of {', '.join(bad)} do not verify; nothing was restored",
                    "`cryo log verify --store FILE` says where; --keep-broken restores them, too",
                )
            for verdict in verdicts:
                added += store.merge(source, verdict.serial, _BATCH, keep_broken=bool(bad))
                for head in source.heads(verdict.serial):
                    store.add_head(head)
            outcomes = store.merge_course(source)
    for verdict in verdicts:
        now = store.verify(verdict.serial)
        if now.count < verdict.count or (verdict.good and not now.good):
            raise IntegrityError(f"the restored records of {verdict.serial} do not verify")
    data = {"file": str(path), "added": added, "outcomes": outcomes, "store": store.name}
    return _report(args, data, verdicts, f"restored, {added} records of them new, from")


def rebuild(args: Namespace, store: Store) -> dict[str, Any]:
    """Make the tables of treatments again, and say which were not as the records have them."""
    before = _treatments(store)
    store.catch_up(again=True)
    after = _treatments(store)
    altered = sorted(
        key for key in before.keys() | after.keys() if before.get(key) != after.get(key)
    )
    data: dict[str, Any] = {
        "treatments": len(after),
        "store": store.name,
        "altered": [{"device": serial, "number": seq} for serial, seq in altered],
        "verified": not altered,
    }
    if not args.json:
        print(f"{len(after)} treatments made again from the records of {store.name}")
        if altered:
            names = ", ".join(f"{seq} of {serial}" for serial, seq in altered[:10])
            more = f" and {len(altered) - 10} more" if len(altered) > 10 else ""
            print(f"✗ these were NOT AS THEIR RECORDS SAY, and are now: {names}{more}")
    return data


def _treatments(store: Store) -> dict[tuple[str, int], tuple[Any, ...]]:
    """Every treatment with its freezes, in step with the records."""
    return {
        (serial, item.seq): (item, store.cycles(serial, item.seq))
        for serial, item in store.treatments(Wanted())
    }


def _report(
    args: Namespace, data: dict[str, Any], verdicts: list[Verdict], done: str
) -> dict[str, Any]:
    devices = [
        {"serial": verdict.serial, "records": verdict.count, "good": verdict.good}
        for verdict in verdicts
    ]
    if not args.json:
        for verdict in verdicts:
            state = "verified" if verdict.good else "DOES NOT VERIFY"
            print(f"{verdict.serial}: {verdict.count} records, {state}")
        where = "to " if "from" not in done else ""
        print(f"{done} {where}{data['file']}")
    return data | {"devices": devices, "verified": all(verdict.good for verdict in verdicts)}
