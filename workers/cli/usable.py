"""Whether workers would use a bundle: one of another feature set than their vectors' they pass over."""

from __future__ import annotations

from collections.abc import Mapping

from models.logs.templates import TemplatesError
from models.manifest import Manifest
from workers.settings import Settings
from workers.windows.feature_sets import feature_sets
from workers.windows.profiles import ProfileError


def passed_over(settings: Settings, bundles: Mapping[str, Manifest]) -> dict[str, str]:
    """Why workers of these settings would not use bundles, by version; `bundles` likewise.

    A profile that the settings do not know says nothing, and neither do settings that no worker starts with:
    `faultline config check` tells of those.
    """
    try:
        computed = feature_sets(settings)
    except (ProfileError, TemplatesError, OSError):
        return {}
    return {
        version: f"it learned from the feature set {one.feature_set}, and vectors of {one.profile} are of "
        f"{computed[one.profile]}: workers pass it over and score by the next scope, or untrained. Train anew"
        for version, one in bundles.items()
        if computed.get(one.profile, one.feature_set) != one.feature_set
    }
