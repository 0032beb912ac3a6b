"""Entities from attributes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.intake.template import TemplateError, parse_template

DEFAULT = "[{env}/][{namespace}/]{service}"


@pytest.mark.parametrize(
    ("text", "attributes", "entity"),
    [
        (DEFAULT, {"service": "checkout"}, "checkout"),
        (DEFAULT, {"service": "checkout", "env": "prod"}, "prod/checkout"),
        (DEFAULT, {"service": "checkout", "env": "prod", "namespace": "shop"}, "prod/shop/checkout"),
        (DEFAULT, {"service": "checkout", "env": ""}, "checkout"),
        (DEFAULT, {"env": "prod"}, None),
        (DEFAULT, {"service": ""}, None),
        ("{host}", {"host": "a/b c%"}, "a/b c%"),
        ("host-{host}[:{port}]", {"host": "a", "port": "80"}, "host-a:80"),
        ("[{a}{b}]-", {"a": "x"}, "-"),
        ("[{a}]", {}, None),
    ],
)
def test_a_template_is_filled_and_its_optional_parts_are_left_out_when_missing(
    text: str, attributes: dict[str, str], entity: str | None
) -> None:
    template = parse_template(text)
    assert template.render([attributes.get(field) for field in template.fields]) == entity


@pytest.mark.parametrize("text", ["", "fixed", "{a", "a}", "[{a}", "{a}]", "[[{a}]]", "{}", "[x]{a}", "{a}[{b}[{c}]]"])
def test_a_template_that_cannot_be_meant_is_refused_with_the_way_to_write_it(text: str) -> None:
    with pytest.raises(TemplateError, match="template"):
        parse_template(text)


@given(st.text())
def test_any_text_is_a_template_or_refused(text: str) -> None:
    try:
        template = parse_template(text)
    except TemplateError:
        return
    assert template.fields


def test_what_is_missing_is_named() -> None:
    template = parse_template("[{env}/]{region}.{service}")
    assert template.required == ("region", "service")
    assert template.missing({"service": "x"}) == ["region"]
