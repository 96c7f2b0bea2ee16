"""The page about a trace: what a run's nights did, in order of what happened.

`numbers` measures each night by way of `bioncl.analysis`; `figures`, `rasters` and `tables` show
the numbers; `story` says the main ones in words; `page` puts the file together.
"""
