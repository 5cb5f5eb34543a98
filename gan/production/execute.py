"""Who runs the workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flawsmith.gan.production.generate import Execute


def executor_of(name: str) -> Execute | None:
    """The executor called "processes" (None: this machine's) or "ray"; raises UsageError where Ray is not installed."""
    if name == "processes":
        return None
    from flawsmith.gan.production.ray import paint_on_ray, refuse_without_ray

    refuse_without_ray()
    return paint_on_ray
