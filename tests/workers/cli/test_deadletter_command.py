"""`faultline deadletter` against a real broker: nothing that goes back goes back twice."""

from __future__ import annotations

import pytest

from tests.support.broker import Broker, Record
from tests.support.cli import Finished, faultline
from workers.cli.clients import connect
from workers.cli.deadletter import Box
from workers.cli.failures import Failure
from workers.cli.letters import Selection
from workers.cli.replaying import Replay
from workers.settings import load_settings

pytestmark = pytest.mark.integration

GARBAGE = b"\x00\xffnot avro"


class Installation:
    """A source topic and a dead-letter topic with letters from it."""

    def __init__(self, kafka: Broker) -> None:
        self.kafka = kafka
        self.source = kafka.create_topic(partitions=3)
        self.letters = kafka.create_topic(partitions=2, config={"max.message.bytes": "1200000"})
        self.env = {
            "FAULTLINE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "FAULTLINE_NAMESPACE": kafka.unique("ns"),
            "FAULTLINE_TOPICS__DEADLETTER": self.letters,
        }

    def die(self, value: bytes | None, stage: str, error_class: str, partition: int = 0, **own: object) -> None:
        headers = (
            ("trace", b"abc"),
            ("faultline-source-topic", str(own.get("topic", self.source)).encode()),
            ("faultline-source-partition", str(own.get("source_partition", 2)).encode()),
            ("faultline-source-offset", b"41"),
            ("faultline-stage", stage.encode()),
            ("faultline-error-class", error_class.encode()),
            ("faultline-error-message", b"seconds given as milliseconds?"),
            *((("faultline-truncated", str(own["cut_from"]).encode()),) if "cut_from" in own else ()),
        )
        self.kafka.produce(self.letters, [Record(value, b"entity", headers, partition)])

    def run(self, *arguments: str) -> Finished:
        return faultline("deadletter", *arguments, env=self.env)

    def sent(self) -> list[Record]:
        return self.kafka.read(self.source)


@pytest.fixture
def place(kafka: Broker) -> Installation:
    installation = Installation(kafka)
    installation.die(GARBAGE, "intake", "undecodable", partition=1)
    installation.die(b'{"a":1}', "windows", "skew")
    installation.die(b'{"a":2}', "windows", "skew")
    return installation


def test_letters_are_listed_and_counted_by_kind(place: Installation) -> None:
    listed = place.run("list", "--json").json
    assert [(one["stage"], one["letters"], one["replayed"]) for one in listed["summary"]] == [
        ("windows", 2, 0),
        ("intake", 1, 0),
    ]
    assert {one["place"] for one in listed["letters"]} == {"1:0", "0:0", "0:1"}
    assert listed["letters"][0]["headers"] == {"trace": "abc"}

    only = place.run("list", "--stage", "intake", "--json").json
    assert [one["place"] for one in only["letters"]] == ["1:0"]
    last = place.run("list", "--stage", "windows", "--limit", "1", "--json").json
    assert [one["place"] for one in last["letters"]] == ["0:1"]
    assert "seconds given as milliseconds?" in place.run("list").out


def test_one_letter_is_shown_in_full(place: Installation) -> None:
    shown = place.run("show", "0:1")
    assert '"a": 2' in shown.out
    assert "seconds given as milliseconds?" in shown.out
    assert "6e 6f 74" in place.run("show", "1:0").out

    assert place.run("show", "0:99").code == 1
    assert place.run("show", "nonsense").code == 2


def test_a_replay_sends_the_original_bytes_key_and_headers_to_the_partition_they_came_from(place: Installation) -> None:
    done = place.run("replay", "--stage", "intake", "--json")
    assert done.code == 0, done.err
    assert done.json["sent"] == 1
    (record,) = place.sent()
    assert (record.value, record.key, record.headers, record.partition) == (GARBAGE, b"entity", (("trace", b"abc"),), 2)


def test_a_second_replay_sends_only_what_died_since(place: Installation) -> None:
    assert place.run("replay", "--all", "--json").json["sent"] == 3
    assert place.run("replay", "--all", "--json").json["sent"] == 0
    place.die(b'{"a":3}', "windows", "skew")
    assert place.run("replay", "--class", "skew", "--json").json["sent"] == 1
    assert sorted(record.value or b"" for record in place.sent()) == sorted(
        [GARBAGE, b'{"a":1}', b'{"a":2}', b'{"a":3}']
    )
    listed = place.run("list", "--json").json
    assert all(one["replayed"] for one in listed["letters"])
    assert len(listed["letters"]) == 4


def test_a_letter_is_sent_again_only_when_asked_for(place: Installation) -> None:
    place.run("replay", "--stage", "intake")
    assert place.run("replay", "--stage", "intake", "--again", "--json").json["sent"] == 1
    assert len(place.sent()) == 2


def test_a_dry_run_sends_and_marks_nothing(place: Installation) -> None:
    assert place.run("replay", "--all", "--dry-run", "--json").json == {
        "dry_run": True,
        "sent": 3,
        "topics": {place.source: 3},
        "not_whole": [],
    }
    assert place.sent() == []
    assert place.run("replay", "--all", "--limit", "2", "--json").json["sent"] == 2


def test_without_any_filter_a_replay_is_refused(place: Installation) -> None:
    done = place.run("replay")
    assert done.code == 2
    assert "--all" in done.err
    assert place.sent() == []


def test_a_letter_whose_topic_is_gone_is_not_lost_and_can_go_elsewhere(place: Installation) -> None:
    place.die(b"orphan", "intake", "orphaned", topic="no-such-topic")
    refused = place.run("replay", "--class", "orphaned")
    assert refused.code == 1
    assert "no-such-topic does not exist" in refused.err
    assert place.run("replay", "--class", "orphaned", "--to", place.source, "--json").json["sent"] == 1
    assert [record.value for record in place.sent()] == [b"orphan"]


def test_a_letter_that_was_cut_is_told_and_never_sent(place: Installation) -> None:
    place.die(b"only the beginn", "intake", "huge", cut_from=9_000_000)
    done = place.run("replay", "--class", "huge", "--json").json
    assert (done["sent"], done["not_whole"]) == (0, ["0:2"])
    assert place.sent() == []
    assert "9000000" in place.run("show", "0:2").out


def test_a_partition_that_the_source_does_not_have_is_chosen_by_the_key(place: Installation) -> None:
    place.die(b"far", "intake", "far", source_partition=77)
    assert place.run("replay", "--class", "far", "--json").json["sent"] == 1
    assert [record.value for record in place.sent()] == [b"far"]


def test_a_record_as_large_as_a_topic_allows_goes_back(place: Installation) -> None:
    large = b"x" * 1_045_000
    place.die(large, "intake", "large")
    assert place.run("replay", "--class", "large", "--json").json["sent"] == 1
    assert [record.value for record in place.sent()] == [large]


def test_of_two_replays_at_once_the_later_one_sends_and_the_other_sends_nothing(place: Installation) -> None:
    settings = load_settings(place.env)
    admin = connect(settings)
    first, second = Replay(settings, admin, dry_run=False), Replay(settings, admin, dry_run=False)
    first.prepare()
    letters = list(Box(settings, admin).letters(Selection()))
    second.prepare()
    with pytest.raises(Failure, match="another replay was started and took over"):
        first.send(letters)
    assert second.send(letters) == {place.source: 3}
    assert len(place.sent()) == 3
