"""The page about a comparison: one self-contained HTML file.

`page` puts it together from `sections`; `tables` and `figures` turn a `Comparison` into blocks, and
`marks` gives each contender its colour and shape.
"""
