"""Bundles that somebody signed: trusted keys let them in, and nothing else does."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from models.manifest import MANIFEST, BundleError
from models.registry import Aliases, Registry
from models.signing import SIGNATURES, KeyProblem, key_bytes, key_text, new_key, read_key, sign, signers
from tests.workers.scoring.vectors import trained


def _key(text: str) -> tuple[Ed25519PrivateKey, str]:
    key = Ed25519PrivateKey.from_private_bytes(text.encode().ljust(32, b"."))
    return key, key_text(key.public_key().public_bytes_raw())


MINE, THEIRS = _key("mine"), _key("theirs")
OF_RFC_8410 = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC"
NAME = ("service", "global", trained().version)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    bundle = trained()
    Registry(str(tmp_path)).save(bundle.manifest, bundle.files)
    return tmp_path


def _place(folder: Path) -> Path:
    return next(folder.rglob(MANIFEST)).parent


def test_a_signed_bundle_is_opened_by_who_trusts_one_of_its_signers(folder: Path) -> None:
    for key, _ in (MINE, THEIRS):
        Registry(str(folder)).sign(*NAME, key)
    for _, text in (MINE, THEIRS):
        registry = Registry(str(folder), [_key("another")[1], text])
        assert registry.open(*NAME).version == NAME[2]
        assert registry.signers(trained().manifest) == [text]
        registry.promote("service", "global", Aliases(NAME[2]))


def test_signing_changes_no_version_and_signing_twice_nothing(folder: Path) -> None:
    registry = Registry(str(folder))
    registry.sign(*NAME, MINE[0])
    once = (_place(folder) / SIGNATURES).read_bytes()
    registry.sign(*NAME, MINE[0])
    assert (_place(folder) / SIGNATURES).read_bytes() == once
    assert [entry.version for entry in registry.entries()] == [NAME[2]]


def test_without_a_trusted_signature_a_bundle_is_refused(folder: Path) -> None:
    trusting = Registry(str(folder), [MINE[1]])
    with pytest.raises(BundleError, match="signed by none of the 1 keys"):
        trusting.open(*NAME)
    Registry(str(folder)).sign(*NAME, THEIRS[0])
    with pytest.raises(BundleError, match="signed by none"):
        trusting.open(*NAME)
    with pytest.raises(BundleError, match="signed by none"):
        trusting.promote("service", "global", Aliases(NAME[2]))
    assert Registry(str(folder)).open(*NAME), "who trusts nobody in particular reads what is whole"


def test_a_signature_of_another_bundle_or_of_anything_else_is_none(folder: Path) -> None:
    other = trained(seed=2)
    manifest = (_place(folder) / MANIFEST).read_bytes()
    bare = base64.b64encode(MINE[0].sign(manifest)).decode()
    for said in (sign(other.manifest.encode(), MINE[0])[MINE[1]], bare, "", "not base64!", "AAAA"):
        (_place(folder) / SIGNATURES).write_text(json.dumps({MINE[1]: said}))
        with pytest.raises(BundleError, match="signed by none"):
            Registry(str(folder), [MINE[1]]).open(*NAME)


@pytest.mark.parametrize("blob", [b"", b"{", b"[]", b'{"a": 1}', b"\xff"])
def test_damaged_signatures_are_told_as_such(folder: Path, blob: bytes) -> None:
    (_place(folder) / SIGNATURES).write_bytes(blob)
    with pytest.raises(BundleError, match=SIGNATURES):
        Registry(str(folder), [MINE[1]]).open(*NAME)


def test_a_changed_manifest_is_of_no_signer() -> None:
    manifest = trained().manifest.encode()
    signatures = sign(manifest, MINE[0])
    assert signers(manifest, signatures, [THEIRS[1], MINE[1]]) == [MINE[1]]
    assert signers(manifest + b" ", signatures, [MINE[1]]) == []


def test_a_damaged_bundle_is_not_signed(folder: Path) -> None:
    damaged = next(folder.rglob("*.npz"))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    with pytest.raises(BundleError, match="damaged"):
        Registry(str(folder)).sign(*NAME, MINE[0])
    assert not (_place(folder) / SIGNATURES).exists()


def test_keys_are_written_for_their_owner_and_read_again(tmp_path: Path) -> None:
    place = tmp_path / "signing.pem"
    text = new_key(place)
    assert place.stat().st_mode & 0o777 == 0o600
    assert key_text(read_key(place).public_key().public_bytes_raw()) == text
    assert len(key_bytes(text)) == 32
    with pytest.raises(FileExistsError):
        new_key(place)


def test_keys_as_openssl_writes_them_are_read_and_others_refused(tmp_path: Path) -> None:
    lines = ("-----BEGIN PRIVATE KEY-----", OF_RFC_8410, "-----END PRIVATE KEY-----", "")
    (tmp_path / "good.pem").write_text("\n".join(lines))
    assert isinstance(read_key(tmp_path / "good.pem"), Ed25519PrivateKey)
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "other.pem").write_bytes(X25519PrivateKey.generate().private_bytes(*form))
    (tmp_path / "garbage.pem").write_text("garbage")
    for name in ("other.pem", "garbage.pem", "missing.pem"):
        with pytest.raises(KeyProblem, match=name):
            read_key(tmp_path / name)


@pytest.mark.parametrize("text", ["", "ed25519:", "ed25519:AAAA", "rsa:" + "A" * 43 + "=", "ed25519:" + "ä" * 44])
def test_what_is_no_public_key_is_said_so(text: str) -> None:
    with pytest.raises(KeyProblem, match="no public key"):
        key_bytes(text)
