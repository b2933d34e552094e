"""How bytes of a back-up are closed against change, and against eyes where there is a passphrase."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from typing import Final, Protocol

from onward.core import Damaged, InvalidInput, MissingExtra

NONCE: Final = 12
COST: Final = 2**15
LARGEST_COST: Final = 2**20
"""A file that somebody changed must not make us take more than a gigabyte to derive a key."""


class Seal(Protocol):
    """Closes bytes under a label, and opens them again under that label only."""

    def name(self, data: bytes) -> str:
        """What content is called: 64 hexadecimal digits, the same for the same bytes."""
        ...

    def close(self, data: bytes, label: str) -> bytes: ...

    def open(self, data: bytes, label: str) -> bytes:
        """The bytes that were closed.

        Raises:
            Damaged: they were changed, or closed under another label.
        """
        ...


@dataclass(frozen=True, slots=True)
class Plain:
    """Sealed by SHA-256: whatever changes by itself is seen; whoever can write can forge."""

    def name(self, data: bytes) -> str:
        return hashlib.sha256(data).hexdigest()

    def close(self, data: bytes, label: str) -> bytes:
        return _digest(data, label) + data

    def open(self, data: bytes, label: str) -> bytes:
        digest, data = data[:32], data[32:]
        if not hmac.compare_digest(digest, _digest(data, label)):
            raise _changed(label)
        return data


@dataclass(frozen=True, slots=True)
class Secret:
    """Sealed by AES-256-GCM (NIST SP 800-38D), a random nonce before each; content is named by HMAC-SHA256.

    Args:
        key: 32 bytes that encrypt.
        naming: 32 bytes that name, so that names do not tell who holds the same content.
    """

    key: bytes = field(repr=False)
    naming: bytes = field(repr=False)

    def name(self, data: bytes) -> str:
        return hmac.digest(self.naming, data, "sha256").hex()

    def close(self, data: bytes, label: str) -> bytes:
        nonce = os.urandom(NONCE)
        return nonce + _cipher(self.key).encrypt(nonce, data, label.encode())

    def open(self, data: bytes, label: str) -> bytes:
        opened = _decrypt(self.key, data, label)
        if opened is None:
            raise _changed(label)
        return opened


@dataclass(frozen=True, slots=True)
class Lock:
    """A repository's random key, wrapped by one that scrypt (RFC 7914) derives from the passphrase; all in hex."""

    salt: str
    cost: int
    wrapped: str


def new_secret(passphrase: str) -> tuple[Secret, Lock]:
    """A random key, and that key wrapped.

    Raises:
        MissingExtra: `cryptography` is not installed.
    """
    key, salt, nonce = secrets.token_bytes(64), os.urandom(16), os.urandom(NONCE)
    wrapped = nonce + _cipher(_derive(passphrase, salt, COST)).encrypt(nonce, key, b"key")
    return Secret(key[:32], key[32:]), Lock(salt.hex(), COST, wrapped.hex())


def unlock(lock: Lock, passphrase: str) -> Secret:
    """The key that a passphrase unwraps.

    Raises:
        InvalidInput: the passphrase is another.
        Damaged: the lock is none.
        MissingExtra: `cryptography` is not installed.
    """
    if not (2 <= lock.cost <= LARGEST_COST and lock.cost.bit_count() == 1):
        raise _changed("the key")
    try:
        salt, wrapped = bytes.fromhex(lock.salt), bytes.fromhex(lock.wrapped)
    except ValueError as error:
        raise _changed("the key") from error
    key = _decrypt(_derive(passphrase, salt, lock.cost), wrapped, "key")
    if key is None or len(key) != 64:
        raise InvalidInput(
            "The passphrase does not open these back-ups.",
            why="It is another one than they were made with.",
            mend="Give the right one: --passphrase-file FILE, or ONWARD_PASSPHRASE.",
        )
    return Secret(key[:32], key[32:])


def _derive(passphrase: str, salt: bytes, cost: int) -> bytes:
    try:
        said = passphrase.encode(errors="surrogateescape")  # so come bytes of the environment that are no UTF-8
    except UnicodeEncodeError:
        raise InvalidInput("The passphrase is no text.", mend="Give one without lone surrogates.") from None
    return hashlib.scrypt(said, salt=salt, n=cost, r=8, p=1, maxmem=2048 * cost + 2**20, dklen=32)


def _decrypt(key: bytes, data: bytes, label: str) -> bytes | None:
    cipher = _cipher(key)
    from cryptography.exceptions import InvalidTag

    try:
        return cipher.decrypt(data[:NONCE], data[NONCE:], label.encode())
    except (InvalidTag, ValueError):
        return None


def _cipher(key: bytes) -> _Cipher:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise MissingExtra("cryptography", "encryption") from error
    return AESGCM(key)


class _Cipher(Protocol):
    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...


def _digest(data: bytes, label: str) -> bytes:
    return hashlib.sha256(label.encode() + b"\0" + data).digest()


def _changed(label: str) -> Damaged:
    return Damaged(f"Of a back-up, {label} was changed after it was written.", mend="Take another copy, or snapshot.")
