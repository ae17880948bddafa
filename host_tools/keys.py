"""The practice's keys, which sign journals, and public keys that are trusted: a folder of files.

May import `errors`, `extras` and the standard library; cryptography in functions (extra `sign`).

A key pair is `NNNN-ID.key` (PEM, PKCS #8; mode 0600) and `NNNN-ID.pub` (PEM); ID is the beginning
of SHA-256 of the public key. The private key with the highest number signs; each `.pub` is trusted.
To rotate is to make a new pair. Nothing here replaces or removes a file.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
from argparse import Namespace
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host_tools.errors import LocalError, UsageError
from host_tools.extras import needs

EXTRA = "sign"
_ID_DIGITS = 16
_PEM_HEAD, _PEM_TAIL = "-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"
_SPKI = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 bytes of an Ed25519 public key in DER (RFC 8410)."""


def key_id(public: bytes) -> str:
    """The name of a public key (32 bytes): 16 hexadecimal digits."""
    return hashlib.sha256(public).hexdigest()[:_ID_DIGITS]


def pem_of(public: bytes) -> str:
    """A public key as PEM, as OpenSSL reads it."""
    return f"{_PEM_HEAD}\n{base64.b64encode(_SPKI + public).decode()}\n{_PEM_TAIL}\n"


def public_of(text: str, what: str) -> bytes:
    """The 32 bytes of an Ed25519 public key in PEM. Raises LocalError: `what` is none."""
    lines = [line.strip() for line in text.strip().splitlines()]
    with contextlib.suppress(ValueError):
        if len(lines) > 2 and (lines[0], lines[-1]) == (_PEM_HEAD, _PEM_TAIL):
            der = base64.b64decode("".join(lines[1:-1]), validate=True)
            if der.startswith(_SPKI) and len(der) == len(_SPKI) + 32:
                return der[len(_SPKI) :]
    hint = "a private key stays where it is: `cryo keys export` writes the public one"
    raise LocalError(f"{what} is no Ed25519 public key (PEM)", hint if "PRIVATE" in text else "")


def good_signature(public: bytes, signature: bytes, statement: bytes) -> bool:
    """Whether an Ed25519 signature is that of `public`. Raises LocalError without the extra."""
    with needs(EXTRA, "checking a signature"):
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, statement)
    except (InvalidSignature, ValueError):
        return False
    return True


def sign(private_pem: bytes, statement: bytes, what: str) -> tuple[bytes, bytes]:
    """(public key, signature) of a statement. Raises LocalError: no extra, or no Ed25519 key."""
    with needs(EXTRA, "signing"):
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    try:
        private = load_pem_private_key(private_pem, None)
    except (ValueError, TypeError):
        private = None
    if not isinstance(private, Ed25519PrivateKey):
        raise LocalError(f"{what} is no Ed25519 private key (PEM without a password)")
    return private.public_key().public_bytes_raw(), private.sign(statement)


def new_pair() -> tuple[bytes, bytes]:
    """A new (private key as PEM, public key). Raises LocalError without the extra."""
    with needs(EXTRA, "making a key"):
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem, private.public_key().public_bytes_raw()


def default_folder() -> Path:
    """$CRYO_KEYS, or `keys` in the user's data folder."""
    if named := os.environ.get("CRYO_KEYS"):
        return Path(named)
    from platformdirs import user_data_path

    return user_data_path("cryodose", appauthor=False) / "keys"


@dataclass(frozen=True)
class Key:
    """A trusted public key, and where its private half lies, if it is here."""

    id: str
    public: bytes
    number: int
    """Of this practice's own pairs, counted from 1; 0: of another computer."""
    private_file: Path | None


class Keyring:
    """The keys in a folder, which need not exist."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = default_folder() if folder is None else folder

    def keys(self) -> list[Key]:
        """All trusted keys, own ones in the order of their making, then others'.

        Raises LocalError: a file is no key, or is not the one that it is named after.
        """
        found: list[Key] = []
        with self._guard():
            for path in sorted(self.folder.glob("*.pub")):
                public = public_of(path.read_text("ascii", "replace"), str(path))
                number, _, name = path.stem.partition("-")
                if name != key_id(public):
                    raise LocalError(
                        f"{path} holds the key {key_id(public)}, which is not its name",
                        "somebody has exchanged or renamed it: nothing is trusted until it is gone",
                    )
                private = path.with_suffix(".key")
                own = int(number) if number.isdigit() else 0
                found.append(Key(name, public, own, private if private.exists() else None))
        return sorted(found, key=lambda key: (key.number == 0, key.number, key.id))

    def signer(self) -> Key | None:
        """The newest key whose private half is here, or None."""
        own = [key for key in self.keys() if key.private_file is not None and key.number]
        return own[-1] if own else None

    def sign(self, key: Key, statement: bytes) -> bytes:
        """The signature of a statement. Raises LocalError: others can read the private key."""
        path = key.private_file
        assert path is not None
        with self._guard():
            mode = path.stat().st_mode
            if os.name == "posix" and mode & 0o077:
                raise LocalError(
                    f"others can read the private key {path} (mode {mode & 0o777:04o})",
                    f"chmod 600 '{path}'; if others were there, make a new one: `cryo keys new`",
                )
            pem = path.read_bytes()
        public, signature = sign(pem, statement, str(path))
        if public != key.public:
            raise LocalError(f"{path} is not the private half of {path.with_suffix('.pub')}")
        return signature

    def new(self) -> Key:
        """Make a pair, which signs from now on. Raises LocalError."""
        pem, public = new_pair()
        number = max((key.number for key in self.keys()), default=0) + 1
        private = self.folder / f"{number:04}-{key_id(public)}.key"
        with self._guard():
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write_new(private, pem, 0o600)
            _write_new(private.with_suffix(".pub"), pem_of(public).encode(), 0o644)
        return Key(key_id(public), public, number, private)

    def trust(self, path: Path) -> tuple[Key, bool]:
        """Trust a public key of another computer: (the key, whether it is new). LocalError."""
        with self._guard():
            public = public_of(path.read_text("ascii", "replace"), str(path))
            for key in self.keys():
                if key.public == public:
                    return key, False
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            to = self.folder / f"trusted-{key_id(public)}.pub"
            _write_new(to, pem_of(public).encode(), 0o644)
        return Key(key_id(public), public, 0, None), True

    @contextlib.contextmanager
    def _guard(self) -> Generator[None]:
        try:
            yield
        except FileExistsError as error:
            raise LocalError(
                f"{error.filename} exists already", "a key is never replaced"
            ) from None
        except OSError as error:
            where = error.filename or self.folder
            raise LocalError(f"the keys in {where} cannot be used: {error.strerror}") from None


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a file that does not exist yet, with this mode from its first byte on."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())


# -- `cryo keys` ----------------------------------------------------------------------------------


def run(args: Namespace, ring: Keyring) -> dict[str, Any]:
    """`cryo keys list|new|export|trust`."""
    data: dict[str, Any] = {}
    if args.what != "list":
        data = {"new": _new, "export": _export, "trust": _trust}[args.what](args, ring)
    signer = ring.signer()
    keys = [
        {
            "id": key.id,
            "own": bool(key.number),
            "private": key.private_file is not None,
            "signs": signer is not None and key.id == signer.id,
        }
        for key in ring.keys()
    ]
    if not args.json and args.what == "list":
        print(f"{ring.folder}:" + ("" if keys else " no keys; `cryo keys new` makes one"))
        for key in keys:
            words = "signs" if key["signs"] else "of this practice" if key["own"] else "of others"
            print(f"  {key['id']}  trusted, {words}")
    return data | {"folder": str(ring.folder), "keys": keys}


def _new(args: Namespace, ring: Keyring) -> dict[str, Any]:
    key = ring.new()
    if not args.json:
        print(f"key {key.id} signs from now on: {key.private_file}")
        print(
            "Keep a copy of this file where neither the records nor this computer are, and its "
            "public half (`cryo keys export`) with somebody else."
        )
    return {"made": key.id, "private_file": str(key.private_file)}


def _export(args: Namespace, ring: Keyring) -> dict[str, Any]:
    keys = ring.keys()
    if args.id is None:
        key = ring.signer()
    else:
        key = next((key for key in keys if key.id == args.id.lower()), None)
    if key is None:
        known = ", ".join(key.id for key in keys)
        raise UsageError(
            f"no key {args.id} here" if args.id else "no key here signs",
            f"there are: {known}" if known else "`cryo keys new` makes one",
        )
    pem = pem_of(key.public)
    if args.output is None:
        if not args.json:
            print(pem, end="")
    else:
        path = Path(args.output)
        try:
            _write_new(path, pem.encode(), 0o644)
        except FileExistsError:
            raise LocalError(f"{path} exists already", "a key is never replaced") from None
        except OSError as error:
            raise LocalError(f"cannot write {path}: {error.strerror}") from None
        if not args.json:
            print(f"the public half of {key.id} is in {path}")
    return {"id": key.id, "pem": pem, "file": args.output}


def _trust(args: Namespace, ring: Keyring) -> dict[str, Any]:
    key, new = ring.trust(Path(args.file))
    if not args.json:
        print(f"{key.id} is trusted{'' if new else ' already'}: compare this name with its owner's")
    return {"id": key.id, "new": new}
