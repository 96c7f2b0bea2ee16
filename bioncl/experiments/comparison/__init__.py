"""Comparisons: several settings with the same seeds, and what their results say.

    settings × seeds ─► contenders ─► sweep ─► summary: estimates, differences, series, families
                                                 └─► results.csv, results.parquet, summary.csv

`contenders` reads what is compared, `statistics` knows intervals and tests, `summary` puts results
together problem by problem, `series` finds the curves over stored examples, `fair` the two fair
measures of Lee et al. 2020, `files` writes tables. The page is made by `bioncl.report`.
"""
