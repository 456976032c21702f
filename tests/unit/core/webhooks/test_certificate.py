"""What the Secret may hold: when it serves, when it is made anew, and who stays trusted."""

from __future__ import annotations

from base64 import b64decode, encodebytes
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from model_operator.controller.webhooks.issuing import issue, issue_authority, issue_serving, issue_token
from model_operator.core.webhooks.certificate import (
    AUTHORITY_VALIDITY,
    BACKDATING,
    SERVING_VALIDITY,
    Identity,
    Renewal,
    bundle,
    read_authorities,
    read_tokens,
    renewal_time,
    trusted,
    validate_certificate,
)

NOW = datetime(2030, 1, 1, tzinfo=UTC)
NAMES = ("model-operator-webhook.models.svc", "127.0.0.1")
DAY = timedelta(days=1)
GOOD = issue(Renewal("", None), NAMES, NOW)
OTHER = issue(Renewal("", None), NAMES, NOW)
RSA_KEY = rsa.generate_private_key(65537, 2048)


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, password: bytes = b"") -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def _self_signed(name: str, *, authority: bool) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    serial = x509.random_serial_number()
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), serial, NOW, NOW + DAY)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    return bundle([certificate])


def test_what_was_made_is_served() -> None:
    verdict = validate_certificate(GOOD.data, NAMES, NOW)
    assert isinstance(verdict, Identity)
    assert verdict.serving.certificate == GOOD.serving.certificate
    assert verdict.authorities == (GOOD.authority.certificate,)


def test_made_certificates() -> None:
    serving, authority = GOOD.serving.certificate, GOOD.authority.certificate
    assert serving.not_valid_after_utc - NOW == SERVING_VALIDITY == 90 * DAY
    assert authority.not_valid_after_utc - NOW == AUTHORITY_VALIDITY == 3650 * DAY
    assert serving.not_valid_before_utc == authority.not_valid_before_utc == NOW - BACKDATING
    for key in (GOOD.serving.key, GOOD.authority.key):
        assert isinstance(key.curve, ec.SECP256R1)
    assert GOOD.serving.key.private_numbers() != GOOD.authority.key.private_numbers()
    names = serving.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["model-operator-webhook.models.svc"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_no_secret_takes_everything_anew() -> None:
    assert validate_certificate({}, NAMES, NOW) == Renewal("there is none yet", None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ca.crt": b""}, "ca.crt has no certificate of our authority"),
        ({"ca.crt": b"garbage"}, "ca.crt has no certificate of our authority"),
        (
            {"ca.crt": _self_signed("somebody", authority=True)},
            "ca.crt has no certificate of our authority",
        ),
        (
            {"ca.crt": _self_signed("model-operator-webhook-ca", authority=False)},
            "ca.crt has no certificate of our authority",
        ),
        ({"ca.key": b""}, "ca.key is missing or empty"),
        ({"ca.key": b"garbage"}, "ca.key is not an unencrypted PEM private key"),
        ({"ca.key": GOOD.data["tls.key"]}, "ca.key does not belong to ca.crt"),
        ({"ca.key": OTHER.data["ca.key"]}, "ca.key does not belong to ca.crt"),
    ],
)
def test_a_broken_authority_is_replaced(changes: dict[str, bytes], reason: str) -> None:
    verdict = validate_certificate(GOOD.data | changes, NAMES, NOW)
    assert isinstance(verdict, Renewal)
    assert (verdict.reason, verdict.authority) == (reason, None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tls.crt": b""}, "tls.crt is missing or empty"),
        ({"tls.crt": b"garbage"}, "tls.crt is not a PEM certificate"),
        ({"tls.crt": GOOD.data["tls.crt"][:-100]}, "tls.crt is not a PEM certificate"),
        ({"tls.key": b""}, "tls.key is missing or empty"),
        ({"tls.key": b"-----BEGIN"}, "tls.key is not an unencrypted PEM private key"),
        (
            {"tls.key": _pem(GOOD.serving.key, b"password")},
            "tls.key is not an unencrypted PEM private key",
        ),
        ({"tls.key": _pem(RSA_KEY)}, "tls.key does not belong to tls.crt"),
        ({"tls.key": OTHER.data["tls.key"]}, "tls.key does not belong to tls.crt"),
        (
            {"tls.crt": OTHER.data["tls.crt"], "tls.key": OTHER.data["tls.key"]},
            "tls.crt is not signed by the authority",
        ),
        (
            {"tls.crt": GOOD.data["ca.crt"], "tls.key": GOOD.data["ca.key"]},
            "tls.crt is for other names",
        ),
    ],
)
def test_a_broken_serving_certificate_is_replaced_by_the_same_authority(
    changes: dict[str, bytes], reason: str
) -> None:
    verdict = validate_certificate(GOOD.data | changes, NAMES, NOW)
    assert isinstance(verdict, Renewal)
    assert verdict.reason == reason
    assert verdict.authority is not None
    assert verdict.authority.certificate == GOOD.authority.certificate


def test_other_names_take_another_certificate_and_fewer_do_not() -> None:
    more = validate_certificate(GOOD.data, (*NAMES, "localhost"), NOW)
    assert isinstance(more, Renewal)
    assert more.reason == "tls.crt is for other names"
    assert isinstance(validate_certificate(GOOD.data, NAMES[:1], NOW), Identity)


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (timedelta(0), None),
        (timedelta(minutes=-59), None),
        (timedelta(minutes=-61), "ca.crt is not valid before 2029-12-31T23:00:00+00:00"),
        (59 * DAY, None),
        (60 * DAY, "tls.crt expires at 2030-04-01T00:00:00+00:00"),
        (90 * DAY, "tls.crt expired at 2030-04-01T00:00:00+00:00"),
    ],
)
def test_times(after: timedelta, reason: str | None) -> None:
    verdict = validate_certificate(GOOD.data, NAMES, NOW + after)
    assert (verdict.reason if isinstance(verdict, Renewal) else None) == reason


def test_an_authority_is_replaced_long_before_it_ends_and_stays_trusted() -> None:
    due = renewal_time(GOOD.authority.certificate)
    late = issue(Renewal("", GOOD.authority), NAMES, due)
    before = validate_certificate(late.data, NAMES, due - timedelta(minutes=1))
    assert isinstance(before, Identity)
    verdict = validate_certificate(late.data, NAMES, due)
    assert isinstance(verdict, Renewal)
    assert verdict.authority is None
    new = issue(verdict, NAMES, due)
    assert new.authorities == (new.authority.certificate, GOOD.authority.certificate)
    assert isinstance(validate_certificate(new.data, NAMES, due), Identity)


def test_an_authority_is_trusted_until_the_last_certificate_that_it_may_have_signed_has_expired() -> None:
    old, new = issue_authority(NOW), issue_authority(NOW + 9 * DAY)
    last = issue_serving(old, NAMES, NOW + 9 * DAY).certificate.not_valid_after_utc
    both = (new.certificate, old.certificate)
    assert trusted(new.certificate, both, last - timedelta(seconds=1)) == both
    assert trusted(new.certificate, both, last) == (new.certificate,)


def test_an_expired_authority_is_not_trusted() -> None:
    old, new = issue_authority(NOW), issue_authority(NOW + 3640 * DAY)
    assert trusted(new.certificate, [old.certificate], NOW + 3649 * DAY) == (
        new.certificate,
        old.certificate,
    )
    assert trusted(new.certificate, [old.certificate], NOW + 3650 * DAY) == (new.certificate,)


def test_the_bundle_stays_small_and_is_the_same_in_any_order() -> None:
    authorities = [issue_authority(NOW).certificate for _ in range(12)]
    present = issue_authority(NOW).certificate
    chosen = trusted(present, authorities, NOW)
    assert len(chosen) == 8
    assert chosen[0] == present
    assert trusted(present, [*reversed(authorities), present], NOW) == chosen


def test_reading_a_bundle_leaves_foreign_certificates_out() -> None:
    ours = GOOD.authority.certificate
    foreign = _self_signed("somebody", authority=True)
    assert read_authorities(foreign + bundle([ours]) + GOOD.data["tls.crt"]) == (ours,)
    assert read_authorities(b"garbage") == ()


def test_nothing_of_a_key_or_token_is_shown() -> None:
    assert "key=" not in repr(GOOD)
    assert GOOD.tokens[0] not in repr(GOOD)
    assert GOOD.tokens[0] not in repr(Renewal("", None, (), GOOD.tokens))


def test_a_token_has_more_than_128_random_bits() -> None:
    tokens = {issue_token() for _ in range(100)}
    assert len(tokens) == 100
    assert {len(bytes.fromhex(token)) for token in tokens} == {32}


def test_tokens_are_read_back() -> None:
    verdict = validate_certificate(GOOD.data, NAMES, NOW)
    assert isinstance(verdict, Identity)
    assert verdict.tokens == GOOD.tokens


@pytest.mark.parametrize("content", [b"", b"short", b"A" * 64, b"a" * 31, b"\xff" * 64])
def test_missing_token_is_made_with_another_certificate_by_the_same_authority(content: bytes) -> None:
    verdict = validate_certificate(GOOD.data | {"path-tokens": content}, NAMES, NOW)
    assert isinstance(verdict, Renewal)
    assert (verdict.reason, verdict.tokens) == ("path-tokens has no token", ())
    assert verdict.authority is not None
    assert verdict.authority.certificate == GOOD.authority.certificate


def test_token_changes_with_the_certificate_and_the_former_is_accepted_for_an_hour() -> None:
    due = renewal_time(GOOD.serving.certificate)
    first = validate_certificate(GOOD.data, NAMES, due)
    assert isinstance(first, Renewal)
    second = issue(first, NAMES, due)
    assert second.tokens[1:] == GOOD.tokens[:1] != second.tokens[:1]
    assert second.accepted_tokens(due) == second.tokens
    assert second.accepted_tokens(due + timedelta(minutes=59)) == second.tokens
    assert second.accepted_tokens(due + timedelta(minutes=60)) == second.tokens[:1]
    third = issue(Renewal("", second.authority, second.authorities, second.tokens), NAMES, due)
    assert third.tokens[1:] == second.tokens[:1], "the one before that is forgotten"


@pytest.mark.parametrize("entry", ["ca.crt", "tls.crt"])
def test_token_is_kept_for_its_overlap_whatever_is_renewed(entry: str) -> None:
    verdict = validate_certificate(GOOD.data | {entry: b""}, NAMES, NOW)
    assert isinstance(verdict, Renewal)
    assert issue(verdict, NAMES, NOW).tokens[1:] == GOOD.tokens


def test_at_most_two_tokens_are_read() -> None:
    tokens = [issue_token() for _ in range(3)]
    assert read_tokens("\n".join([tokens[0], "none", *tokens]).encode()) == tuple(tokens[:2])


def _der(entry: str) -> bytes:
    return b64decode(b"".join(GOOD.data[entry].splitlines()[1:-1]))


def _armoured(der: bytes, label: bytes) -> bytes:
    return b"-----BEGIN %b-----\n%b-----END %b-----\n" % (label, encodebytes(der), label)


ENTRIES = st.sampled_from(["ca.crt", "ca.key", "tls.crt", "tls.key"])
ANY_ENTRIES = ENTRIES | st.just("path-tokens")


@settings(deadline=None)
@given(st.dictionaries(ANY_ENTRIES, st.binary() | st.sampled_from(list(GOOD.data.values())), min_size=1))
def test_any_content_is_judged(changes: dict[str, bytes]) -> None:
    verdict = validate_certificate(GOOD.data | changes, NAMES, NOW)
    if isinstance(verdict, Renewal):
        verdict = validate_certificate(issue(verdict, NAMES, NOW).data, NAMES, NOW)
    assert isinstance(verdict, Identity)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@given(ENTRIES, st.data())
def test_flipped_bits_are_judged(entry: str, data: st.DataObject) -> None:
    content = bytearray(_der(entry))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    label = b"CERTIFICATE" if entry.endswith("crt") else b"PRIVATE KEY"
    verdict = validate_certificate(GOOD.data | {entry: _armoured(bytes(content), label)}, NAMES, NOW)
    assert isinstance(verdict, Identity | Renewal)
