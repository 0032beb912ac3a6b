"""Which features vectors consist of, by profile, as the settings have it: models of other ones are passed over."""

from __future__ import annotations

from pathlib import Path

from models.features.event import EVENT
from models.features.generic import GENERIC
from models.features.host import HOST
from models.features.logs import log_set
from models.features.service import service_set
from models.logs.templates import Templates, load_templates
from workers.settings import Settings
from workers.windows.profiles import Profile, load_profiles, shipped

_FIXED = {"event": EVENT, "generic": GENERIC, "host": HOST}


def feature_sets(settings: Settings) -> dict[str, str]:
    """The hash of each profile's feature set, enabled or not; of log messages only where templates are named.

    Raises `ProfileError` where a profile cannot be used, and `TemplatesError` where templates of messages cannot.
    """
    w = settings.windows
    profiles = shipped() | (load_profiles([Path(w.profiles)]) if w.profiles else {})
    templates = load_templates(w.log_templates) if w.log_templates else None
    found = {name: _hash(profile, templates) for name, profile in profiles.items()}
    return {name: value for name, value in found.items() if value is not None}


def _hash(profile: Profile, templates: Templates | None) -> str | None:
    if profile.features in _FIXED:
        return _FIXED[profile.features].hash
    assert profile.pane is not None
    if profile.features == "service":
        return service_set(profile.name, profile.pane, profile.windows).hash
    if templates is None:
        return None
    return log_set(templates.metrics, templates.hash, profile.name, profile.pane, profile.windows).hash
