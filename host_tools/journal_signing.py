"""Signing the head of a pulled journal, and what signed heads prove of stored records (H-08).

May import `keys`, `signed_heads`, `store`, `errors` and the standard library.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from host_tools.errors import CryoError, IntegrityError
from host_tools.keys import Keyring
from host_tools.signed_heads import Coverage, SignedHead, coverage
from host_tools.store import Store, Verdict

NO_KEY = "this computer has no key: `cryo keys new` makes one"


@dataclass(frozen=True)
class Checked:
    """What a check of a device's records found, by chain and by signed heads."""

    verdict: Verdict
    coverage: Coverage

    @property
    def problems(self) -> tuple[str, ...]:
        """All that is wrong, in words."""
        return (*self.verdict.problems, *self.coverage.problems)

    @property
    def good(self) -> bool:
        """Nothing is wrong with what is stored. What no signed head covers is not wrong."""
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        told = asdict(self.verdict)
        for name in ("agreed", "denied"):
            del told[name]
        return told | {
            "good": self.good,
            "problems": list(self.problems),
            "signed": self.coverage.as_dict(),
        }


def check(store: Store, serial: str, ring: Keyring, *, heads: Iterable[SignedHead] = ()) -> Checked:
    """Check all stored records of a device. Raises LocalError: a key file was exchanged."""
    verdict = store.verify(serial, heads=heads)
    return Checked(verdict, coverage(verdict.runs, verdict.agreed, ring.keys(), verdict.denied))


@dataclass(frozen=True)
class Signed:
    """What became of signing after a pull."""

    head: SignedHead | None
    """The newest signed head of the device's records."""
    new: bool = False
    why_not: str = ""


def sign_head(store: Store, serial: str, ring: Keyring) -> Signed:
    """Sign the newest stored record of a device, after checking all of them.

    Signs nothing twice. A missing key or library is no error of a pull: `why_not` says it. Raises
    IntegrityError where stored records contradict an older signed head.
    """
    last = store.last_seq(serial)
    if not last:
        return Signed(None, why_not="there are no records")
    try:
        key = ring.signer()
        if key is None:
            return Signed(None, why_not=NO_KEY)
        checked = check(store, serial, ring)
        if checked.verdict.denied:
            raise IntegrityError(
                f"{serial}: {checked.problems[0]}",
                "nothing was signed. `cryo log verify` lists all; keep this store and a backup",
            )
        if not checked.good:
            return Signed(None, why_not="stored records do not verify")
        for _, known in checked.verdict.agreed:
            if known.seq == last and known.key == key.public:
                return Signed(known)
        head = SignedHead(
            serial, last, _chain(store, serial, last), int(time.time()), key.public, b""
        )
        signature = ring.sign(key, head.statement)
    except IntegrityError:
        raise
    except CryoError as error:
        return Signed(None, why_not=f"{error.text}{f' ({error.hint})' if error.hint else ''}")
    signed = SignedHead(serial, last, head.chain, head.signed_s, key.public, signature)
    store.add_head(signed)
    return Signed(signed, new=True)


def _chain(store: Store, serial: str, seq: int) -> bytes:
    chain = store.chain_before(serial, seq + 1)
    assert chain is not None
    return chain


def spans_text(spans: Sequence[tuple[int, int]]) -> str:
    """`#1…#40, #60`."""
    return ", ".join(f"#{a}" if a == b else f"#{a}…{b}" for a, b in spans)
