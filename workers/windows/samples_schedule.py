"""What each entity of the sample engine waits for, and what its next vector says: one row of integers an entity.

Times are epoch microseconds, origins offsets of records. The columns are named by the constants below.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.features.history import NEVER, NO_ORIGIN

FAR = 1 << 62
"""A time that never comes."""

BLANK, LIVE, RETIRED = 0, 1, 2
"""States: no samples are kept; as usual; its last vector is out, its samples are still kept."""

STATE = 0
NEWEST = 1  # its newest sample that came in time
QUIET_FROM = 2  # where its silence is counted from: HEARD, moved on by time that nobody watched
QUIET_ORIGIN = 3  # the record that was only a sign of life
CADENCE = 4  # 0: unknown
CADENCE_ORIGIN = 5
DUE = 6  # the next missed sample to tell of
FORGET_AT = 7  # when a retired entity's samples are forgotten
APPLIED = 8  # start of the last break taken into account
LAST_END = 9  # end of its last vector's window
LATE_COUNT = 10  # since its last vector
SKEWED_COUNT = 11
COUNT_ORIGIN = 12  # the first record counted in these two
OPEN_PANE = 13  # the ten-minute pane that is not closed yet
SHOWN = 14  # number of the layout of its vectors; -1: none so far
LAST_OFFSET = 15  # the newest record in its samples
NEXT_TIME = 16  # of the next thing to do
ACTIVE = 17  # its newest record that entered a window
EXPIRES = 18  # when even its past day is forgotten
FROZEN = 19  # 1: it has as many metrics as it may
HEARD = 20  # last sign of life
SILENCE = 21  # how long nothing may come before it is silent; 0 without a cadence

MEMORY = 25 * 3_600_000_000
"""An entity without an event for so long (microseconds) begins anew: its past day is over, its last hour long gone."""

Schedule = NDArray[np.int64]
"""(entities, 22)"""

BLANK_ROW = np.zeros(22, np.int64)
BLANK_ROW[[NEWEST, QUIET_FROM, APPLIED, LAST_END, OPEN_PANE, LAST_OFFSET, ACTIVE, EXPIRES, HEARD]] = NEVER
BLANK_ROW[[QUIET_ORIGIN, CADENCE_ORIGIN, COUNT_ORIGIN]] = NO_ORIGIN
BLANK_ROW[[DUE, FORGET_AT, NEXT_TIME]] = FAR
BLANK_ROW[SHOWN] = -1


def empty_schedule(entities: int) -> Schedule:
    """That many entities of which nothing is known."""
    return np.tile(BLANK_ROW, (entities, 1))
