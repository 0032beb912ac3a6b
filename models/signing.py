"""Signatures of bundles: who made a model, where others can write to the registry.

Ed25519 (RFC 8032) over the manifest, which names every other file by its hash. Signatures lie beside the manifest, each
under the text of the key that it is checked by, so that a version stays what it is whoever signs it. That text, as
people write it into settings, is `ed25519:` and the 32 bytes of the public key in base64.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from models.manifest import BundleError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SIGNATURES = "signatures.json"
_PREFIX = "ed25519:"
_CONTEXT = b"faultline bundle\n"
"""In front of what is signed: a signature for anything else is none for a bundle."""


class KeyProblem(ValueError):
    """A key that is none, or cannot be read. The message says which and what is expected."""


def key_bytes(text: str) -> bytes:
    """The 32 bytes of a public key. Raises KeyProblem."""
    try:
        found = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if not text.startswith(_PREFIX) or len(found) != 32:
        raise KeyProblem(
            f"{text!r} is no public key; expected {_PREFIX} and 44 characters, as `faultline models keygen` prints them"
        )
    return found


def key_text(key: bytes) -> str:
    """The text of a public key."""
    return _PREFIX + base64.b64encode(key).decode()


def new_key(place: Path) -> str:
    """Write a private key (PEM, readable by its owner) to a file that is not there yet; the text of its public one.

    Raises OSError.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key.private_bytes(*form))
    return key_text(key.public_key().public_bytes_raw())


def read_key(place: Path) -> Ed25519PrivateKey:
    """A private key from a PEM file, as `new_key` or `openssl genpkey -algorithm ed25519` writes it.

    Raises KeyProblem.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(place.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise KeyProblem(f"{place}: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyProblem(f"{place} is no Ed25519 key; `faultline models keygen` makes one")
    return key


def sign(manifest: bytes, key: Ed25519PrivateKey) -> dict[str, str]:
    """The signature of an encoded manifest, under the text of its public key."""
    return {key_text(key.public_key().public_bytes_raw()): base64.b64encode(key.sign(_CONTEXT + manifest)).decode()}


def signers(manifest: bytes, signatures: Mapping[str, str], keys: Iterable[str]) -> list[str]:
    """Those of the keys that have signed this manifest."""
    return [key for key in keys if key in signatures and _holds(manifest, signatures[key], key)]


def encode_signatures(signatures: Mapping[str, str]) -> bytes:
    return json.dumps(dict(signatures), sort_keys=True).encode()


def decode_signatures(blob: bytes) -> dict[str, str]:
    """Raises BundleError for anything that `encode_signatures` would not have written."""
    try:
        found = json.loads(blob)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{SIGNATURES} is no JSON: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
        raise BundleError(f"{SIGNATURES} holds no signatures")
    return found


def _holds(manifest: bytes, signature: str, key: str) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        public = Ed25519PublicKey.from_public_bytes(key_bytes(key))
        public.verify(base64.b64decode(signature, validate=True), _CONTEXT + manifest)
    except (InvalidSignature, binascii.Error):
        return False
    return True
