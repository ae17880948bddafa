"""What `cryo agent` tells others: lines, metrics for Prometheus, retained MQTT messages.

May import `agent`'s words, `extras`, `errors` and the standard library; prometheus-client and
paho-mqtt (extra `fleet`) when they are asked for. Patients' numbers are in none of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from host_tools.agent import OK, STORE, Seen
from host_tools.errors import LocalError, UsageError
from host_tools.extras import needs

Report = Callable[[Seen], None]

_NO_BROKER = "like this: mqtt://[USER@]HOST[:PORT], or mqtts:// with TLS"


def as_dict(seen: Seen) -> dict[str, Any]:
    """For JSON."""
    return asdict(seen) | {"name": name(seen), "missing": max(0, seen.head - seen.stored)}


def name(seen: Seen) -> str:
    """The device's serial number, or, until it has answered, where it should be."""
    return seen.serial or seen.key


def lines(as_json: bool) -> Report:
    """One line for what is new: a device's records, or that something has changed for it."""
    last: dict[str, Seen] = {}

    def report(seen: Seen) -> None:
        before = last.get(seen.key, Seen(seen.key, how=""))
        last[seen.key] = seen
        if (before.how, before.why, before.new) == (seen.how, seen.why, seen.new):
            return
        if as_json:
            print(json.dumps(as_dict(seen), ensure_ascii=False), flush=True)
        elif seen.how == OK:
            print(f"{name(seen)}: {seen.new - before.new} new records, newest #{seen.stored}",
                  file=sys.stderr, flush=True)  # fmt: skip
        else:
            print(f"{name(seen)}: {seen.how}: {seen.why}", file=sys.stderr, flush=True)

    return report


_METRICS: tuple[tuple[str, str, Callable[[Seen], float]], ...] = (
    ("up", "1: the last visit ended well.", lambda seen: seen.how == OK),
    ("store_up", "0: the store could not be used.", lambda seen: seen.how != STORE),
    ("journal_head", "Newest record of the device.", lambda seen: seen.head),
    ("stored_head", "Newest record stored.", lambda seen: seen.stored),
    ("stored_records", "Records stored since the start.", lambda seen: seen.new),
    ("visits", "Visits since the start.", lambda seen: seen.visits),
    ("failed_visits", "Visits that failed.", lambda seen: seen.failures),
    ("last_good_seconds", "When a visit last ended well.", lambda seen: seen.good_s),
)
"""Name, help text, and value of each metric."""


class Metrics:
    """Metrics on a port of this computer, or in a file for node_exporter's textfile collector.

    Raises LocalError: the extra is missing, or the port is in use.
    """

    def __init__(self, address: str | None, textfile: str | None) -> None:
        with needs("fleet", "metrics"):
            import prometheus_client as prometheus
        self._write = prometheus.write_to_textfile
        self._registry = prometheus.CollectorRegistry()
        self._textfile = textfile
        self._server: Any = None

        def gauge(about: str, text: str) -> Any:
            return prometheus.Gauge(f"cryodose_{about}", text, ["device"], registry=self._registry)

        self._gauges = [(gauge(about, text), value) for about, text, value in _METRICS]
        if address is not None:
            host, _, port = address.rpartition(":")
            try:
                self._server, _ = prometheus.start_http_server(
                    int(port), host or "127.0.0.1", registry=self._registry
                )
            except ValueError:
                raise UsageError(f"'{address}' is no port", "[HOST:]PORT, such as 9188") from None
            except OSError as error:
                raise LocalError(f"no metrics on {address}: {error.strerror or error}") from None

    @property
    def port(self) -> int:
        """The port that it listens on, 0: none."""
        return int(self._server.server_port) if self._server is not None else 0

    def report(self, seen: Seen) -> None:
        """Take a visit into account."""
        for gauge, value in self._gauges:
            gauge.labels(name(seen)).set(float(value(seen)))
        if self._textfile is not None:
            try:
                self._write(self._textfile, self._registry)
            except OSError as error:
                print(f"no metrics in {self._textfile}: {error}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Close the port."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


class Mqtt:
    """The state of each device as a retained message, `cryodose/DEVICE/state`; and its own.

    A broker that is away is waited for in the background; when it is back, it gets all states.
    Raises UsageError: not a broker's URL; LocalError: the extra is missing.
    """

    def __init__(self, url: str, prefix: str = "cryodose") -> None:
        with needs("fleet", "MQTT"):
            from paho.mqtt import client as mqtt
            from paho.mqtt.enums import CallbackAPIVersion
        parts = urlsplit(url)
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise UsageError(f"'{parts.scheme}://{parts.hostname or ''}' is no broker", _NO_BROKER)
        self._prefix = prefix
        self._states: dict[str, str] = {}
        self._lock = threading.Lock()
        client = self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        if parts.username:
            secret = parts.password or os.environ.get("CRYO_MQTT_PASSWORD")
            client.username_pw_set(parts.username, secret)
        if parts.scheme == "mqtts":
            client.tls_set()  # pyright: ignore[reportUnknownMemberType]
        client.will_set(f"{prefix}/agent", "offline", qos=1, retain=True)
        client.reconnect_delay_set(1, 60)
        client.on_connect = self._connected
        usual = 8883 if parts.scheme == "mqtts" else 1883
        client.connect_async(parts.hostname, parts.port or usual)
        client.loop_start()

    @property
    def connected(self) -> bool:
        """Whether the broker answers."""
        return bool(self._client.is_connected())

    def _connected(self, *_: Any) -> None:
        self._client.publish(f"{self._prefix}/agent", "online", qos=1, retain=True)
        with self._lock:
            states = dict(self._states)
        for topic, text in states.items():
            self._client.publish(topic, text, qos=1, retain=True)

    def report(self, seen: Seen) -> None:
        """Publish a device's state, if it has changed and the broker is there."""
        told = as_dict(seen)
        for counted in ("visits", "failures", "good_s"):
            del told[counted]
        topic, text = f"{self._prefix}/{_level(name(seen))}/state", json.dumps(told)
        with self._lock:
            same = self._states.get(topic) == text
            self._states[topic] = text
        if not same and self.connected:
            self._client.publish(topic, text, qos=1, retain=True)

    def close(self) -> None:
        """Say that it ends: a broker publishes the last will only of a client that does not."""
        if self.connected:
            told = self._client.publish(f"{self._prefix}/agent", "offline", qos=1, retain=True)
            with contextlib.suppress(ValueError, RuntimeError):
                told.wait_for_publish(1.0)
        self._client.disconnect()
        self._client.loop_stop()


def _level(text: str) -> str:
    """A name as one level of a topic."""
    return "".join("_" if sign in "/+#" else sign for sign in text)
