"""Real servers for the tests: PostgreSQL and mosquitto, of Debian's packages, each in a folder of
its own that goes away with it. Where one is missing, its tests are skipped and say how to get it.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def _program(name: str, package: str, *places: str) -> str:
    """Where a server's program is; the test is skipped when it is nowhere."""
    for place in places:
        for path in sorted(Path("/").glob(place.lstrip("/")), reverse=True):
            if os.access(path, os.X_OK):
                return str(path)
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} on this computer; to get it: apt install {package}")
    return found


def _as_user(folder: Path) -> dict[str, Any]:
    """Run as somebody else than root, who may not run a database: options of subprocess."""
    if os.getuid():
        return {}
    user = pwd.getpwnam("nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _wait(ready: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    until_s = time.monotonic() + 30
    while not ready():
        if process.poll() is not None or time.monotonic() > until_s:
            raise AssertionError(f"the server did not start: {log.read_text()[-2000:]}")
        time.sleep(0.02)


class Postgres:
    """A PostgreSQL server on a socket of its own. Each `url` is a schema of its own."""

    def __init__(self) -> None:
        self._server = _program("postgres", "postgresql", "/usr/lib/postgresql/*/bin/postgres")
        initdb = Path(self._server).with_name("initdb")
        self._folder = Path(tempfile.mkdtemp(prefix="cryo-pg-"))
        self._options = _as_user(self._folder)
        self._data, self._log = self._folder / "data", self._folder / "log"
        subprocess.run(
            [initdb, "-D", self._data, "-U", "practice", "-A", "trust", "-N", "-E", "UTF8",
             "--locale=C.UTF-8"],
            check=True, capture_output=True, cwd=self._folder, **self._options,
        )  # fmt: skip
        self._schemas = 0
        self.start()

    def start(self) -> None:
        """Start it; its tables are those of the last time."""
        command = [
            self._server, "-D", str(self._data), "-k", str(self._folder), "-c",
            "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=16MB", "-c",
            "autovacuum=off", "-c", "max_connections=40",
        ]  # fmt: skip
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self._folder, **self._options
            )
        _wait((self._folder / ".s.PGSQL.5432").exists, self._process, self._log)
        self.run("SELECT 1")

    def stop(self) -> None:
        """Cut off whoever uses it, and end it."""
        self._process.terminate()  # SIGTERM waits for its clients; SIGINT does not
        self._process.send_signal(2)
        self._process.wait(30)

    def run(self, sql: str, schema: str = "public") -> list[tuple[Any, ...]]:
        """Run a statement as the server's own user would, behind a store's back."""
        import psycopg

        until_s = time.monotonic() + 30
        while True:
            try:
                with psycopg.connect(
                    f"host={self._folder} user=practice dbname=postgres "
                    f"options=-csearch_path={schema}",
                    autocommit=True,
                ) as connection:
                    rows = connection.execute(sql)  # pyright: ignore[reportArgumentType, reportCallIssue]
                    return rows.fetchall() if rows.description else []
            except psycopg.OperationalError:
                if time.monotonic() > until_s:
                    raise
                time.sleep(0.02)

    def url(self) -> str:
        """A place for a new store."""
        self._schemas += 1
        name = f"s{self._schemas}"
        self.run(f"CREATE SCHEMA {name}")
        return (
            f"postgresql://practice:secret@/postgres?host={self._folder}"
            f"&options=-csearch_path%3D{name}"
        )

    def close(self) -> None:
        """End it and remove its folder."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


class Mosquitto:
    """An MQTT broker on a port of its own."""

    def __init__(self) -> None:
        program = _program("mosquitto", "mosquitto", "/usr/sbin/mosquitto")
        self._folder = Path(tempfile.mkdtemp(prefix="cryo-mqtt-"))
        options = _as_user(self._folder)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        settings, log_path = self._folder / "settings", self._folder / "log"
        settings.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n")
        self._program, self._settings, self._log, self._options = (
            program, settings, log_path, options,
        )  # fmt: skip
        self.start()

    def start(self) -> None:
        """Start it; it has forgotten everything."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-c", str(self._settings)],
                stdout=log, stderr=log, cwd=self._folder, **self._options,
            )  # fmt: skip
        _wait(self._answers, self._process, self._log)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(30)

    def close(self) -> None:
        """End it and remove its folder."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
