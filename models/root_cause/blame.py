"""Blame that walks from symptoms along calls to what explains them.

Costs add up along calls: whoever waits for a slow callee loses that time too. So of an entity's cost the part that its
callees' costs cover is theirs, and the rest its own. Blame starts where symptoms are and goes on in these parts until
it stays. The walk is that of MonitorRank (Kim et al., "Root cause detection in a service-oriented architecture",
SIGMETRICS 2013), with absorption instead of visits, and with parts in the place of correlations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.root_cause.calls import Calls
from models.root_cause.evidence import UNKNOWN, Symptoms, Values
from models.root_cause.kinds import PASSED_ON, Kind

DOUBT = 0.05
"""Part of the blame that stays where it is however well callees explain it: graphs and figures are never quite right,
and around a cycle blame must come to rest."""

OTHERWISE = 0.5
"""Part of what no callee's symptom of the same kind covers that goes to callees with symptoms of another kind (errors
by time-outs, time lost by retries, a callee that fell silent), where these are as unusual: nothing says whether it is
theirs, so half is."""

NOTICED = 0.5
"""Part of the blame that starts at symptoms of the kind that was noticed; the cause may show in another one."""

REST = 1e-9
"""Blame on the way, of a whole of 1, that is left where it is."""

_LATEST = 10.0
"""Windows after which a later onset counts for no less: 1/1,000 is as good as nothing."""


def start(symptoms: Symptoms, noticed: Kind | None) -> Values:
    """(n, kinds) where blame starts, a whole of 1.

    Kinds weigh as much as their scores, silence at least as much as all others: it can be the cause of each. Half of
    it all goes to the kind that was noticed, if one was. Traffic is an effect of who calls and who answers, and counts
    only where there is nothing else. Within a kind the geometric mean of cost and score decides: a large cost alone is
    had by whoever is called most, a large score alone by whoever is steady.
    """
    weight = np.sqrt(symptoms.cost * symptoms.score)
    kinds = symptoms.score.sum(axis=0)
    if kinds.sum() > kinds[Kind.TRAFFIC]:
        kinds[Kind.TRAFFIC] = 0.0
    if kinds[Kind.SILENCE] > 0.0:
        kinds[Kind.SILENCE] = max(kinds[Kind.SILENCE], kinds.sum() - kinds[Kind.SILENCE])
    kinds /= kinds.sum()
    if noticed is not None and kinds[noticed] > 0.0:
        kinds *= 1.0 - NOTICED
        kinds[noticed] += NOTICED
    sums = weight.sum(axis=0)
    return np.asarray(weight * np.divide(kinds, sums, out=np.zeros_like(kinds), where=sums > 0.0), np.float64)


def weigh_onsets(symptoms: Symptoms, calls: Calls, window_us: int) -> Values:
    """(edges,) 1 where the callee's symptoms began no later than a window after the caller's, then half a window.

    An effect does not come before its cause; but of two onsets a window apart nobody knows which was first.
    """
    first = symptoms.onset.min(axis=1)
    known = (first[calls.caller] != UNKNOWN) & (first[calls.callee] != UNKNOWN)
    late = np.where(known, first[calls.callee] - np.where(known, first[calls.caller], 0), 0) / window_us
    weights: Values = 0.5 ** np.clip(np.where(known, late, 0.0) - 1.0, 0.0, _LATEST)
    return weights


@dataclass(frozen=True, slots=True)
class Ways:
    """Where blame goes from each entity. `covered` (n, kinds) is the part of its cost that its callees' costs cover;
    `same`, `other` (n, kinds) are the parts that go to callees with the same and with another kind of symptom; what is
    in neither stays.

    `same_part`, `other_part` (kinds, edges) divide them among the callees, and `split` (kinds, n, kinds) the latter
    among the kinds of the callee. What is not measured keeps nothing.
    """

    covered: Values
    same: Values
    other: Values
    same_part: Values
    other_part: Values
    split: Values

    @classmethod
    def of(cls, symptoms: Symptoms, calls: Calls, weight: Values) -> Ways:
        """`weight` (edges,) is how much a callee's symptoms count for this caller."""
        measured = (np.arange(calls.size) < calls.measured)[:, None]
        same, part = _share_out(symptoms.cost, calls, weight)
        covered = _part(same, symptoms.cost)
        covered[:, [kind for kind in Kind if kind not in PASSED_ON]] = 0.0
        covered = np.where(measured, covered, same > 0.0)
        causes = np.stack([_causes(symptoms.score, kind) for kind in Kind])
        largest = causes.max(axis=2).T
        reached, other_part = _share_out(largest, calls, weight)
        near = np.minimum(
            np.divide(reached, symptoms.score, out=np.zeros_like(reached), where=symptoms.score > 0.0), 1.0
        )
        other = np.where(measured, (1.0 - covered) * OTHERWISE * near, 0.0)
        other[:, [Kind.SILENCE, Kind.TRAFFIC]] = 0.0  # silence says enough; traffic comes from callers
        whole = causes.sum(axis=2, keepdims=True)
        split = np.divide(causes, whole, out=np.zeros_like(causes), where=whole > 0.0)
        sure = np.where(measured, 1.0 - DOUBT, 1.0)
        return cls(covered, covered * sure, other * sure, part, other_part, split)


def settle(begin: Values, ways: Ways, calls: Calls) -> Values:
    """(n,) where all blame comes to rest that starts as `begin` (n, kinds); it sums to what `begin` sums to."""
    kept, moving = np.zeros(calls.size), begin
    while moving.sum() > REST:
        ahead = np.zeros_like(moving)
        for kind in Kind:
            here = moving[:, kind]
            if not here.any():
                continue
            same, other = here * ways.same[:, kind], here * ways.other[:, kind]
            ahead[:, kind] += np.bincount(calls.callee, same[calls.caller] * ways.same_part[kind], calls.size)
            came = np.bincount(calls.callee, other[calls.caller] * ways.other_part[kind], calls.size)
            ahead += came[:, None] * ways.split[kind]
            kept += here - same - other
        moving = ahead
    return np.asarray(kept + moving.sum(axis=1), np.float64)


def _part(amount: Values, of: Values) -> Values:
    """At most 1; 0 of nothing."""
    return np.minimum(np.divide(amount, of, out=np.zeros_like(amount), where=of > 0.0), 1.0)


def _share_out(amounts: Values, calls: Calls, weight: Values) -> tuple[Values, Values]:
    """Per caller the sum of its callees' amounts, (n, kinds), and which part of it is each edge's, (kinds, edges)."""
    offered = amounts[calls.callee].T * weight
    sums = np.stack([np.bincount(calls.caller, one, calls.size).astype(np.float64) for one in offered], axis=1)
    whole = sums[calls.caller].T
    return sums, np.divide(offered, whole, out=np.zeros_like(offered), where=whole > 0.0)


def _causes(score: Values, kind: Kind) -> Values:
    """(n, kinds) the scores that may explain a caller's symptom of this kind, if its own kind does not."""
    causes = score.copy()
    causes[:, Kind.TRAFFIC] = 0.0
    if kind in PASSED_ON:
        causes[:, kind] = 0.0
    return causes
