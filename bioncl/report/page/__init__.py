"""Pages: one self-contained HTML file each, which opens offline and asks nothing of the network.

`document` turns a template and numbers into such a file; `charts` draws panels as SVG that follow
the reader's theme, in the colours of `bioncl.report.style`; `text` writes numbers. Templates,
styles and scripts stand in `bioncl/report/templates`: `base.html` is what every page extends.
"""
