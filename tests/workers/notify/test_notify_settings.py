"""Settings of targets: what is wrong is told by name, and no secret is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.cli import faultline
from tests.support.receiver import Receiver
from workers.cli.main import main
from workers.cli.target_checks import check_targets
from workers.settings import Settings, load_settings
from workers.settings_sources import SettingsError

TARGETS = "FAULTLINE_NOTIFY__TARGETS"


def load(targets: dict[str, object], **secrets: str) -> Settings:
    named = {f"FAULTLINE_NOTIFY__SECRETS__{name.upper()}": value for name, value in secrets.items()}
    return load_settings({TARGETS: json.dumps(targets), **named})


@pytest.mark.parametrize(
    ("targets", "problem"),
    [
        ({"pager": {"kind": "pagerduty"}}, "FAULTLINE_NOTIFY__SECRETS__PAGER"),
        ({"chat": {"kind": "slack", "url": "https://hooks/x"}}, "is its secret"),
        ({"am": {"kind": "alertmanager"}}, "needs url"),
        ({"am": {"kind": "alertmanager", "url": "am:9093"}}, "http://"),
        ({"On-Call": {"kind": "files", "url": "/a"}}, "small letters"),
        ({"a": {"kind": "files", "url": "/a", "labels": {"severity": "x"}}}, "none of"),
        ({"a": {"kind": "carrier_pigeon", "url": "/a"}}, "alertmanager"),
    ],
)
def test_what_is_wrong_is_told(targets: dict[str, object], problem: str) -> None:
    with pytest.raises(SettingsError) as told:
        load(targets)
    assert problem in str(told.value)


def test_a_secret_of_no_target_is_refused() -> None:
    with pytest.raises(SettingsError, match="no target: pager"):
        load({}, pager="x")


def test_secrets_come_from_variables_or_files_and_are_never_shown(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("t0psecret\n")
    env = {
        TARGETS: '{"pager": {"kind": "pagerduty"}, "hook": {"kind": "webhook", "url": "http://h/"}}',
        "FAULTLINE_NOTIFY__SECRETS__PAGER_FILE": str(tmp_path / "key"),
        "FAULTLINE_NOTIFY__SECRETS__HOOK": "0thersecret",
    }
    settings = load_settings(env)
    assert settings.notify.secret("pager") == "t0psecret"
    assert "secret" not in repr(settings.notify.secrets).replace("SecretStr", "")
    shown = faultline("config", "show", env=env)
    assert shown.code == 0
    assert "t0psecret" not in shown.out + shown.err
    assert "0thersecret" not in shown.out + shown.err


def test_a_secret_that_is_no_text_is_not_shown_either(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text("notify: {targets: {p: {kind: pagerduty}}, secrets: {p: 471147}}")
    with pytest.raises(SettingsError) as told:
        load_settings({"FAULTLINE_CONFIG": str(tmp_path / "f.yaml")})
    assert "471147" not in str(told.value)


def test_config_check_asks_targets_whether_they_are_there(tmp_path: Path) -> None:
    with Receiver() as receiver:
        settings = load(
            {
                "here": {"kind": "webhook", "url": f"{receiver.url}/secret-path"},
                "folder": {"kind": "files", "url": str(tmp_path / "a" / "b")},
                "gone": {"kind": "http", "url": "http://127.0.0.1:1/"},
            }
        )
        found = {finding.check: finding for finding in check_targets(settings)}
    assert {name: finding.state for name, finding in found.items()} == {
        "target here": "ok",
        "target folder": "ok",
        "target gone": "failed",
    }
    assert "secret-path" not in found["target here"].found
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("add", "--for", "1h"), "everything"),
        (("add", "--entity", "a"), "--for"),
        (("add", "--entity", "a", "--for", "1h", "--until", "2030-01-01T00:00Z"), "either"),
        (("add", "--entity", "a", "--for", "soon"), "30m"),
        (("add", "--entity", "a", "--until", "2020-01-01T00:00Z"), "already is"),
        (("add", "--severity", "dire", "--for", "1h"), "critical"),
    ],
)
def test_silence_rules_that_make_no_sense_are_wrong_use(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["faultline", "silence", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert says in capsys.readouterr().err
