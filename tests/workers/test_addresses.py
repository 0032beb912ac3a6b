"""What is secret in an address is in no text that people or logs get to see."""

from __future__ import annotations

import base64

import pytest
import structlog

from tests.support.scripted import Reply, Scripted
from workers.addresses import Credentials, without_secrets
from workers.cli.checks import check_schema_registry
from workers.cli.target_checks import check_targets
from workers.runtime import logs
from workers.settings import load_settings


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:hush@host:9200/x", "https://me:***@host:9200/x"),
        ("https://tok3n@host", "https://***@host"),
        ("https://tok3n:@host", "https://***@host"),
        ("redis://:hush@host:6379/0", "redis://***@host:6379/0"),
        ("redis://:hu@sh@host:6379/0", "redis://***@host:6379/0"),
        ("redis://:hu/sh@host:6379/0", "redis://***@host:6379/0"),
        ("redis://:hu?s#h@host:6379/0", "redis://***@host:6379/0"),
        ("http://me:a@one:8081,http://me:b@two:8081", "http://me:***@one:8081,http://me:***@two:8081"),
        ("http://one:8081,http://tok3n@two:8081", "http://one:8081,http://***@two:8081"),
        ("https://host/?token=hush and more", "https://host/?*** and more"),
        ("URL='https://tok3n@host/?a=b': wrong", "URL='https://***@host/?***': wrong"),
        ("abfs://models@account.dfs.core.windows.net/x", "abfs://models@account.dfs.core.windows.net/x"),
        ("https://host:8080/people/@me", "https://host:8080/people/@me"),
        ("s3://bucket/folder", "s3://bucket/folder"),
        ("mail me@host: nothing of an address", "mail me@host: nothing of an address"),
    ],
)
def test_secrets_of_an_address_are_hidden_and_the_rest_is_shown(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_no_line_of_a_log_shows_them_whoever_wrote_it(capsys: pytest.CaptureFixture[str]) -> None:
    before = structlog.get_config()
    try:
        logs.configure("info", "json")
        log = structlog.get_logger()
        log.info("asking https://tok3n@host", where=["https://me:tok3n@host"], deep={"url": "https://host/?tok3n"})
        try:
            raise ValueError("no answer from https://tok3n@host")
        except ValueError:
            log.exception("failed")
    finally:
        structlog.configure(**before)
    said = capsys.readouterr().err
    assert "https://***@host" in said
    assert "tok3n" not in said


def test_credentials_of_an_address_are_sent_as_such_by_checks_and_never_said() -> None:
    with Scripted(Reply(200), Reply(500)) as server:
        address = server.url.replace("http://", "http://me:hu%40sh@")
        env = {
            "FAULTLINE_SCHEMA_REGISTRY__URL": address,
            "FAULTLINE_NOTIFY__TARGETS": f'{{"ops": {{"kind": "alertmanager", "url": "{address}"}}}}',
        }
        settings = load_settings(env)
        found = [*check_schema_registry(settings), *check_targets(settings)]
        sent = {asked.path: asked.headers.get("Authorization") for asked in server.asked}
    basic = f"Basic {base64.b64encode(b'me:hu@sh').decode()}"
    assert sent == {"/subjects": basic, "/-/ready": basic}
    assert [one.state for one in found] == ["ok", "failed"]
    assert not any("sh" in one.found for one in found)


def test_an_address_without_credentials_stays_as_it_is() -> None:
    assert Credentials.of("http://host:1/x?y=z") == ("http://host:1/x?y=z", {})
