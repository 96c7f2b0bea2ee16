"""Settings chosen on validation data.

    settings + space ─► plan ─► ask ─► one job a seed ─► objectives ─► tell ─► … ─► best.toml
                                    └ or one night a seed, of many trials side by side

`space` says what may vary, `held_out` sees to it that no trial is judged on test data, `objectives`
what a trial is worth, `study` keeps the trials in an SQLite file by way of Optuna, `search` drives
whole runs, `one_night` the nights after an `evening`, `findings` and `written` say what was found.
`tune.tune` is the way in.
"""

from __future__ import annotations
