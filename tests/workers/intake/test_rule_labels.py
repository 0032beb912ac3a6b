"""`where` and `except` mean the same in the rules of agents' metrics and in those of OTLP's."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.intake.machines import Machines, load_machines
from workers.intake.otlp.mapping import load_otlp_mapping

RULE = "host: [{from: net, name: network_receive_bytes, %s}]"


@pytest.mark.parametrize(
    ("rule", "labels", "taken"),
    [
        ("where: {device: [eth0, eth1], state: [up]}", {"device": "eth1", "state": "up"}, True),
        ("where: {device: [eth0], state: [up]}", {"device": "eth0", "state": "down"}, False),
        ("where: {device: [eth0]}", {}, False),
        ("where: {device: ['']}", {}, True),
        ("except: {device: [lo], state: [down]}", {"device": "eth0", "state": "up"}, True),
        ("except: {device: [lo], state: [down]}", {"device": "lo", "state": "up"}, False),
        ("except: {device: [lo], state: [down]}", {"device": "eth0", "state": "down"}, False),
        ("except: {device: [lo], state: [down]}", {"device": "lo", "state": "down"}, False),
        ("except: {device: ['']}", {}, False),
        ("where: {state: [up]}, except: {device: [lo]}", {"state": "up"}, True),
        ("where: {state: [up]}, except: {device: [lo]}", {"state": "up", "device": "lo"}, False),
    ],
)
def test_a_rule_takes_what_is_as_all_of_where_and_as_none_of_except(
    rule: str, labels: dict[str, str], taken: bool, tmp_path: Path
) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(RULE % rule)
    machines = Machines(load_machines(str(path)))
    assert (machines.base("net", 1.0, 0, labels) is not None) == taken
    (otlp,) = load_otlp_mapping(str(path)).host
    assert otlp.counts(labels) == taken
