"""The secret scan: what it finds and where, in every form that a published file has, and that it never says what."""

from __future__ import annotations

import json
import struct
import zlib

import pytest

from vlmunl.errors import SecretFound, UsageError
from vlmunl.hub import scan
from vlmunl.hub.published import PublishedFile
from vlmunl.hub.scan import Allowed, Finding, Scanner, refuse
from vlmunl.keys import digest_bytes

CANARIES = {
    "hugging-face-token": "hf_" + "Ab3" * 12,
    "aws-key": "AKIA" + "QWERTYUIOPASDFGH",
    "github-token": "ghp_" + "a1B2" * 9,
    "github-fine-token": "github_pat_" + "11AB" * 6,
    "model-service-key": "sk-" + "ant-" + "x9" * 20,
    "slack-token": "xoxb-" + "1234567890-abc",
    "gitlab-token": "glpat-" + "abcd1234_-" * 2,
    "google-key": "AIza" + "Sy0_-" * 7,
    "private-key": "-----BEGIN " + "RSA PRIVATE KEY-----",
    "login-in-address": "https://" + "me:hunter22@github.com/x",
}


def file(path: str, data: bytes) -> PublishedFile:
    d = digest_bytes(data)
    return PublishedFile(path=path, kind="object", xxh3=d.xxh3, sha256=d.sha256, size=d.size, source=data)


def found(path: str, data: bytes, scanner: Scanner | None = None) -> list[Finding]:
    return (scanner or Scanner(environment={})).scan([file(path, data)])


def safetensors(metadata: dict[str, str], weights: bytes = b"") -> bytes:
    header = json.dumps({"__metadata__": metadata}).encode()
    return struct.pack("<Q", len(header)) + header + weights


@pytest.mark.parametrize("rule", CANARIES)
def test_each_rule_finds_its_secret_and_says_where(rule: str) -> None:
    text = f'{{"note": "{CANARIES[rule]}"}}'
    [one] = found("a/notes.json", text.encode())
    assert (one.rule, one.path, one.is_warning) == (rule, "a/notes.json", False)
    assert text.encode()[one.offset :].startswith(CANARIES[rule].encode()[:8])
    assert CANARIES[rule] not in str(one)


def test_every_rule_has_a_canary() -> None:
    assert CANARIES.keys() == scan.RULES.keys()


@pytest.mark.parametrize("text", ["half_" + "a" * 40, "chf_" + "a" * 40, "hf_short", "task-" + "a" * 30, "a" * 100])
def test_words_that_only_look_like_it_are_none(text: str) -> None:
    assert found("a.txt", text.encode()) == []


@pytest.mark.parametrize("shift", [-40, -20, -3, -1, 0, 1])
def test_a_secret_across_the_border_of_two_chunks_is_found_once(shift: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "CHUNK", 1 << 20)
    secret = CANARIES["hugging-face-token"].encode()
    data = b"\n" * ((1 << 20) + shift) + secret + b"\n" * (1 << 20)
    assert [f.offset for f in found("a.txt", data)] == [(1 << 20) + shift]


def test_a_safetensors_header_is_read_and_the_weights_are_not() -> None:
    secret = CANARIES["hugging-face-token"]
    [one] = found("a.safetensors", safetensors({"by": secret}))
    assert one.inside == "its header"
    assert found("a.safetensors", safetensors({}, secret.encode())) == []
    assert [f.rule for f in found("a.safetensors", b"no header " + secret.encode())] == ["hugging-face-token"]


def test_a_pdf_is_read_raw_inflated_and_without_its_kerning() -> None:
    secret = CANARIES["hugging-face-token"]
    pieces = f"[({secret[:9]}) -20 ({secret[9:20]}) 15.5 ({secret[20:]})] TJ".encode()
    plain = b"%PDF-1.5\n(" + secret.encode() + b") Tj\n"
    packed = b"%PDF-1.5\nstream\n" + zlib.compress(b"q " + secret.encode()) + b"\nendstream"
    kerned = b"%PDF-1.5\nstream\r\n" + zlib.compress(pieces) + b"\nendstream"
    assert [f.inside for f in found("a.pdf", plain)] == [""]
    assert [f.inside for f in found("a.pdf", packed)] == ["stream 1"]
    assert [f.inside for f in found("a.pdf", kerned)] == ["the text of stream 1"]
    assert found("a.pdf", b"%PDF-1.5\nstream\nnot deflated\nendstream") == []


def test_the_values_of_a_table_are_read_however_they_are_packed() -> None:
    import io

    import pyarrow as pa
    from pyarrow import parquet

    secret = CANARIES["hugging-face-token"]
    columns = {
        "text": pa.array(["x", secret, None]),
        "bytes": pa.array([b"x", secret.encode(), None]),
        "nested": pa.array([[{"a": "x"}], [{"a": secret}], []]),
        "number": pa.array([1, 2, 3]),
        "category": pa.array(["x", secret, "x"]).dictionary_encode(),
    }
    buffer = io.BytesIO()
    parquet.write_table(pa.table(columns), buffer, compression="zstd")
    inside = {f.inside for f in found("rows.parquet", buffer.getvalue())}
    assert inside >= {"column text", "column bytes", "column nested", "column category"}
    assert found("rows.parquet", b"PAR1 " + secret.encode())[0].inside == ""


def test_literal_secrets_of_this_machine_are_found() -> None:
    environment = {"WANDB_API_KEY": "0123456789abcdef0123", "MY_PASSWORD": "short", "PATH": "/usr/bin:/usr/local/bin"}
    scanner = Scanner("an-odd.token", environment)
    data = b"0123456789abcdef0123 short /usr/bin:/usr/local/bin an-odd.token"
    assert [f.rule for f in found("a.txt", data, scanner)] == ["env-WANDB_API_KEY", "current-token"]


def test_home_directories_are_warned_about_once_for_each_file() -> None:
    data = b"/home/alice/x and /home/bob/y and /data/home/z"
    [one] = found("a.txt", data)
    assert (one.rule, one.offset, one.is_warning) == ("home-directory", 0, True)
    assert refuse([one], ()) == [one]


def test_what_is_allowed_passes_and_nothing_else_does() -> None:
    findings = found("a.txt", CANARIES["slack-token"].encode()) + found("b.txt", CANARIES["aws-key"].encode())
    with pytest.raises(SecretFound, match=r"b\.txt, byte 0: aws-key") as refused:
        refuse(findings, [Allowed.parse("slack-token:a.txt")])
    assert "a.txt" not in refused.value.message
    assert refused.value.exit_code == 16
    assert refuse(findings, [Allowed.parse("slack-token:a.txt"), Allowed("aws-key", "b.txt")]) == []
    for text in ("slack-token", ":x", "x:"):
        with pytest.raises(UsageError):
            Allowed.parse(text)


def test_no_message_holds_what_was_found() -> None:
    for rule, secret in CANARIES.items():
        with pytest.raises(SecretFound) as refused:
            refuse(found("a.json", secret.encode()), ())
        assert secret not in refused.value.message + refused.value.hint + repr(found("a.json", secret.encode())), rule
