"""Settings chosen on validation data.

    settings + space ─► plan ─► ask ─► one job a seed ─► objectives ─► tell ─► … ─► best.toml

`space` says what may vary, `held_out` sees to it that no trial is judged on test data, `objectives`
what a trial is worth, `study` keeps the trials in an SQLite file by way of Optuna, `search` drives
it all, `findings` and `written` say what was found. `tune.tune` is the way in.
"""

from __future__ import annotations
