"""Servers whose certificates the clients of sources do not trust are refused, with the way to trust them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.scripted import Reply, Scripted
from workers.settings_victoriametrics import VictoriaMetricsSettings
from workers.sources.opensearch.connection import Address
from workers.sources.opensearch.server import Server, ServerError
from workers.sources.victoriametrics.client import Client
from workers.sources.victoriametrics.errors import Refused

OPENSEARCH = Reply(
    200,
    json.dumps({"version": {"distribution": "opensearch", "number": "2.19.1"}}).encode(),
    {"Content-Type": "application/json"},
)


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


@pytest.fixture
def theirs(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "theirs")


def test_a_metrics_server_is_asked_where_its_authority_is_named(ours: Authority) -> None:
    with Scripted(Reply.vector(1.0), tls=ours.server()) as server:
        settings = VictoriaMetricsSettings(url=server.url, ca_path=str(ours.path), token="hush", timeout_s=60.0)
        with Client(settings) as client:
            assert client.query("up")[0].value.tolist() == [1.0]
        assert server.asked[0].headers["Authorization"] == "Bearer hush"


def test_a_metrics_server_of_another_authority_is_told_nothing_and_the_setting_is_named(
    ours: Authority, theirs: Authority
) -> None:
    with Scripted(Reply.vector(1.0), tls=ours.server()) as server:
        for ca_path in (str(theirs.path), ""):
            settings = VictoriaMetricsSettings(url=server.url, ca_path=ca_path, token="hush", timeout_s=60.0)
            with Client(settings) as client, pytest.raises(Refused, match="FAULTLINE_VICTORIAMETRICS__CA_PATH"):
                client.query("up")
        assert server.asked == []


def test_a_metrics_server_under_another_name_than_its_own_is_refused(ours: Authority) -> None:
    with Scripted(Reply.vector(1.0), tls=ours.server("127.0.0.2")) as server:
        settings = VictoriaMetricsSettings(url=server.url, ca_path=str(ours.path), timeout_s=60.0)
        with Client(settings) as client, pytest.raises(Refused, match="certificate is not trusted"):
            client.query("up")
        assert server.asked == []


def test_a_cluster_is_asked_where_its_authority_is_named_or_any_is_taken(ours: Authority, theirs: Authority) -> None:
    with Scripted(OPENSEARCH, tls=ours.server()) as server:
        for given in ({"ca_certs": str(ours.path)}, {"ca_certs": str(theirs.path), "insecure": True}):
            address = Address.parse(server.url, user="reader", password="open sesame", patience=10.0, **given)
            assert Server(address).version() == "opensearch 2.19.1"


def test_a_cluster_of_another_authority_is_told_nothing_and_the_option_is_named(
    ours: Authority, theirs: Authority
) -> None:
    with Scripted(OPENSEARCH, tls=ours.server()) as server:
        for given in ({"ca_certs": str(theirs.path)}, {}):
            address = Address.parse(server.url, user="reader", password="open sesame", patience=10.0, **given)
            with pytest.raises(ServerError, match="Name the authority with --ca-certs") as raised:
                Server(address).version()
            assert "sesame" not in str(raised.value)
        assert server.asked == []


def test_a_cluster_under_another_name_than_its_own_is_refused(ours: Authority) -> None:
    with Scripted(OPENSEARCH, tls=ours.server("127.0.0.2")) as server:
        with pytest.raises(ServerError, match="--ca-certs"):
            Server(Address.parse(server.url, ca_certs=str(ours.path), patience=10.0)).version()
        assert server.asked == []
