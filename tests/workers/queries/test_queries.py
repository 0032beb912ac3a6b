"""Files of queries: what they may say, what is told of those that cannot be used, and how names are put in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.knowledge import Rule
from workers.knowing import knowledge_of
from workers.queries.errors import QueryFileError
from workers.queries.placeholders import UnusableName, any_of, fill, unknown_placeholders
from workers.queries.reading import SHIPPED, parse_queries, read_queries
from workers.settings import Settings, load_settings


def filled(query: str, service: str) -> str:
    return fill(query, {"service": service, "label": "job", "window": "300s", "filter": 'env="prod"'})


@pytest.mark.parametrize("name", SHIPPED)
def test_every_set_that_comes_along_asks_for_all_services_at_once_with_direction_and_unit(name: str) -> None:
    file = read_queries(name)
    assert "error_ratio" in file.metrics
    assert {"p50", "p95", "p99"} <= {word for metric in file.metrics for word in metric.split("_")}
    assert all(query.unit and query.direction and not query.by_service for query in file.queries)
    assert all("{" + "label" not in filled(query.query, "") for query in file.queries)


def test_a_service_is_escaped_as_the_place_needs_it() -> None:
    assert filled('up{job="{service}"}', 'a"} or up') == 'up{job="a\\"} or up"}'
    assert filled("up{job='$service'}", "it's") == "up{job='it\\'s'}"
    assert filled('up{job=~"$service|x"}', "a.b") == 'up{job=~"a\\\\.b|x"}'
    assert filled("up_$service{ {filter} }[{window}]", "cart") == 'up_cart{ env="prod" }[300s]'


def test_a_name_that_promql_cannot_take_is_refused_outside_of_quotes() -> None:
    with pytest.raises(UnusableName, match="outside of quotes"):
        filled("up_{service}", "a-b")
    with pytest.raises(UnusableName, match="other quotes"):
        filled("up{job=`{service}`}", "a`b")


@given(st.text(min_size=1))
def test_no_name_ends_the_quotes_that_it_stands_in(name: str) -> None:
    for query, quote in (('a{job="{service}"} end', '"'), ("a{job=~'{service}'} end", "'")):
        text = filled(query, name)
        inside, at = text[len(query.partition(quote)[0]) + 1 :], 0
        while inside[at] != quote:
            at += 2 if inside[at] == "\\" else 1
        assert inside[at + 1 :] == "} end"


def test_names_are_put_together_as_one_expression() -> None:
    assert any_of(["a.b", 'c"']) == '"a\\\\.b|c\\""'


def test_placeholders_of_others_are_found_and_those_of_label_replace_are_not() -> None:
    query = 'label_replace(rate(x{job="$job", a=~"b{2}"}[$__rate_interval]), "a", "$1-$name", "b", "(.*)")'
    assert unknown_placeholders(query) == ["$__rate_interval", "$job"]


def test_everything_wrong_is_told_at_once_by_query_and_field() -> None:
    text = """
label: job
queries:
  - {name: latency, query: up, unit: secnds}
  - {name: errors, query: up, direktion: up}
  - {name: rate, query: "rate(x[$__rate_interval])", direction: north}
  - {query: up}
"""
    with pytest.raises(QueryFileError) as raised:
        parse_queries(text, "own.yaml")
    lines = str(raised.value).splitlines()
    assert lines[0].startswith("own.yaml: query latency: unit: 'secnds' is no unit: did you mean seconds?")
    assert lines[1] == "own.yaml: query errors: direktion: is not known here; did you mean direction?"
    assert {line.split(": ")[2] for line in lines[2:4]} == {"direction", "query"}
    assert lines[4] == "own.yaml: query number 4: name: is missing"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- 1", "must be a mapping"),
        ("label: [", "not YAML"),
        ("{label: job, queries: [{name: a, query: up}, {name: a, query: up}]}", "queries: a is there more than once"),
        ("{label: job, queries: [{name: entity, query: up}]}", "is a column of training tables"),
        ("{label: my-job, queries: [{name: a, query: up}]}", "label: 'my-job' is no name of a label"),
        ("{label: job, queries: []}", "queries"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(text: str, problem: str) -> None:
    with pytest.raises(QueryFileError, match=problem):
        parse_queries(text, "own.yaml")


def test_a_file_that_is_not_there_is_named_with_what_comes_along() -> None:
    with pytest.raises(QueryFileError, match="otel, spanmetrics, http"):
        read_queries("/nowhere/own.yaml")


OWN = """
label: service
queries:
  - {name: queue_depth, unit: count, query: "max by ({label}) (depth)", direction: down, least: 3}
categories:
  - {name: critical, services: ["pay*"], metrics: [{metric: "queue*", direction: up}]}
  - {name: micro, services: ["*-job"], metrics: [{metric: "queue*", least: 50}]}
otherwise: usual
"""


def test_the_first_category_that_fits_is_a_services_own_and_knows_more_than_its_query() -> None:
    file = parse_queries(OWN, "own.yaml")
    assert [file.category(name) for name in ("pay", "pay-job", "x-job", "x")] == [
        "critical",
        "critical",
        "micro",
        "usual",
    ]
    assert file.rules == [
        Rule("queue_depth_count", "*", "down", 3.0),
        Rule("queue*", "*-job", None, 50.0),
        Rule("queue*", "pay*", "up"),
    ]


def test_what_a_file_knows_is_known_to_the_workers_where_a_metrics_server_is_set() -> None:
    without = knowledge_of(Settings())
    assert not any(rule.metric.startswith("application_latency") for rule in without.rules)
    env = {"VM_ENDPOINT": "http://vm:8428", "FAULTLINE_METRICS": '[{"metric": "error_ratio", "least": 0.1}]'}
    rules = knowledge_of(load_settings(env)).rules
    assert Rule("application_latency_p99_seconds", direction="up") in rules
    assert rules[-1] == Rule("error_ratio", least=0.1)
