"""Sleep for those who stay in their own framework: `bioncl.sleep` where it has its hooks.

    avalanche   a plugin that sleeps after each training experience (extra: avalanche)
    lightning   a callback that sleeps after each fit (extra: lightning)

Each module imports its framework, so import the one that is there.
"""

from __future__ import annotations
