"""The kinds of targets. A new one is one file beside this, and one line in `KINDS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from workers.notify.kinds.alertmanager import Alertmanager
from workers.notify.kinds.kind import Kind, Target
from workers.notify.kinds.pagerduty import PagerDuty
from workers.notify.kinds.seed import Files, Posted, Topic
from workers.notify.kinds.slack import Slack
from workers.notify.kinds.webhook import Webhook

KINDS: Mapping[str, Callable[[Target], Kind]] = {
    "alertmanager": Alertmanager,
    "pagerduty": PagerDuty,
    "slack": Slack,
    "webhook": Webhook,
    "http": Posted,
    "files": Files,
    "kafka": Topic,
}


def kind_of(target: Target) -> Kind:
    return KINDS[target.settings.kind](target)
