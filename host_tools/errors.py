"""What can go wrong on the host side, each kind with its own exit code. Imports nothing.

An error is for a person: one sentence that says what happened, then (in `hint`) what to do.
"""


class CryoError(Exception):
    """Base of all errors that `cryo` explains instead of showing a traceback.

    `text` says what happened, `hint` what can be done about it (may be empty).
    """

    exit_code = 4
    kind = "error"

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint

    def as_dict(self) -> dict[str, object]:
        """The error as the `--json` output shows it."""
        out: dict[str, object] = {"kind": self.kind, "text": self.text, "exit": self.exit_code}
        if self.hint:
            out["hint"] = self.hint
        return out


class Refused(CryoError):
    """The device understood the request and said no (exit code 1).

    `code` is the protocol's error code; `detail` holds `min`, `max`, `unit` where they apply.
    """

    exit_code = 1
    kind = "refused"

    def __init__(self, code: str, text: str, detail: dict[str, object] | None = None) -> None:
        super().__init__(text or code)
        self.code = code
        self.detail = detail or {}

    def as_dict(self) -> dict[str, object]:
        """The error with the device's code and, for `range`, its limits."""
        return super().as_dict() | {"code": self.code} | self.detail


class UsageError(CryoError):
    """The command line is inconsistent or invalid (exit code 2)."""

    exit_code = 2
    kind = "usage"


class PortError(CryoError):
    """No port, more than one that could be meant, or one that cannot be opened (exit code 3).

    `candidates` lists the ports that could have been meant, as (path, words) pairs.
    """

    exit_code = 3
    kind = "port"

    def __init__(
        self, text: str, hint: str = "", candidates: list[tuple[str, str]] | None = None
    ) -> None:
        super().__init__(text, hint)
        self.candidates = candidates or []

    def as_dict(self) -> dict[str, object]:
        """The error with the candidate ports."""
        out = super().as_dict()
        if self.candidates:
            out["candidates"] = [{"port": port, "about": about} for port, about in self.candidates]
        return out


class LinkError(CryoError):
    """The conversation with the device broke down (exit code 4)."""

    kind = "link"


class LinkTimeout(LinkError):
    """The device did not answer, although asked more than once."""

    kind = "timeout"


class PortLost(LinkError):
    """The port went away while it was in use."""

    kind = "port_lost"


class ProtocolError(LinkError):
    """The device answered with something that docs/protocol.md does not allow."""

    kind = "protocol"


class IntegrityError(CryoError):
    """Records do not verify: a broken chain, or other data than what is stored (exit code 5)."""

    exit_code = 5
    kind = "integrity"


class NotConfirmed(CryoError):
    """A change was rejected at the device, or not confirmed in time (exit code 6).

    `outcome` is "rejected" or "timed_out".
    """

    exit_code = 6
    kind = "not_confirmed"

    def __init__(self, text: str, outcome: str, hint: str = "") -> None:
        super().__init__(text, hint)
        self.outcome = outcome

    def as_dict(self) -> dict[str, object]:
        """The error with its outcome."""
        return super().as_dict() | {"outcome": self.outcome}


class LocalError(CryoError):
    """Something on this computer: a file, the record store, a part not installed (exit code 7)."""

    exit_code = 7
    kind = "local"
