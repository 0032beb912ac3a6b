"""What is looked at before a worker takes anything: that it may do its work, and that its topics can keep the promise.

The broker says no to a consumer without a right in a way that looks like an empty topic, and to a producer only when
something is to be written. What it does not tell is taken for granted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workers.runtime.errors import Fatal


@dataclass(frozen=True, slots=True)
class Use:
    """How a worker uses its topics. `latest`: those whose latest record per key is read back, however old it is."""

    reads: Sequence[str]
    writes: Sequence[str]
    latest: Sequence[str] = ()

    @property
    def topics(self) -> list[str]:
        return list(dict.fromkeys([*self.reads, *self.writes, *self.latest]))


def check(use: Use, rights: Mapping[str, frozenset[str]], cleanup: Mapping[str, str]) -> None:
    """Raise Fatal where a right is lacking, or where a topic loses what recovery would read again.

    `rights`: names of Kafka's operations by topic; `cleanup`: the topic's `cleanup.policy`.
    """
    _check_rights(use, rights)
    for name in use.reads:
        if "compact" in cleanup.get(name, ""):
            raise Fatal(
                f"the input topic {name} is compacted: records vanish from it, and what is rebuilt would be different",
                f"Set cleanup.policy=delete on {name}: faultline topics create --update",
            )
    for name in use.latest:
        if cleanup.get(name, "compact") != "compact":
            raise Fatal(
                f"the topic {name} is not compacted (cleanup.policy is {cleanup[name]}): what it keeps would expire",
                f"Set cleanup.policy=compact on {name}: faultline topics create --update",
            )


def _check_rights(use: Use, rights: Mapping[str, frozenset[str]]) -> None:
    wanted = {"READ": [*use.reads, *use.latest], "WRITE": use.writes}
    lacking = [
        f"{operation} on {name}"
        for operation, names in wanted.items()
        for name in dict.fromkeys(names)
        if name in rights and operation not in rights[name]
    ]
    if lacking:
        raise Fatal(
            f"this user is not allowed to {', '.join(lacking)}",
            "Grant the ACLs listed in docs/operating.md, then restart",
        )
