"""Charts as one HTML page, to keep, to send and to print; it needs no internet."""

from __future__ import annotations

import html
from collections.abc import Sequence

import plotly.graph_objects as go

from planviz.figures import style

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline';
 style-src 'unsafe-inline'; img-src data: blob:; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
 background: #fff; color: {text} }}
h1 {{ font-size: 1.6rem }} h2 {{ font-size: 1.15rem; margin: 2.5rem 0 .25rem }}
figure {{ margin: 0 }} figcaption {{ font-size: .875rem; color: #5a6872 }}
</style>
</head>
<body>
<h1>{title}</h1>
{figures}
</body>
</html>
"""
FIGURE = """<section>
<h2>{title}</h2>
<figure>
{chart}
<figcaption>{alt}</figcaption>
</figure>
</section>"""


def page_html(figures: Sequence[go.Figure], title: str) -> str:
    """A standalone page with the figures one below the other, each with its heading and its takeaway."""
    sections = []
    for number, figure in enumerate(figures):
        chart = figure.to_html(
            config=style.CONFIG, full_html=False, include_plotlyjs=number == 0, include_mathjax=False,
            div_id=f"figure-{number}", default_height=figure.layout.height,
        )  # fmt: skip
        heading, alt = html.escape(style.title(figure)), html.escape(style.alt(figure))
        sections.append(FIGURE.format(title=heading, chart=chart, alt=alt))
    return PAGE.format(title=html.escape(title), text=style.TEXT["light"], figures="\n".join(sections))
