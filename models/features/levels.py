"""How severe a log's level is, by the names that loggers, syslog and platforms give to it."""

from __future__ import annotations

from typing import Final

WARNING_LEVEL: Final = 1
ERROR_LEVEL: Final = 2

_NAMES = (
    # Nothing is wrong: log4j, java.util.logging, syslog, zap, PostgreSQL, MySQL, .NET, logcat, klog.
    "trace t verbose v finest finer fine config debug dbg d info inf information informational i notice n note success",
    "warn warning wrn w",
    "error err severe e",
    # As bad as can be: an alert, panic or emergency of syslog is no less than critical.
    "critical crit fatal ftl alert emergency emerg panic dpanic assert f c",
)

LEVELS: Final = {name: score for score, names in enumerate(_NAMES) for name in names.split()}
"""Scores of levels by lower-case name: 0, 1 a warning, 2 an error, 3 worse than that. Other texts say nothing."""


def level_score(text: str) -> int | None:
    """The score of a level as it is written, in any case; None for what is none. Numbers mean what a producer means by
    them, and are no names: intake's mapping makes names of them.
    """
    return LEVELS.get(text.strip().lower())
