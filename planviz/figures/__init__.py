"""One function a picture: DataFrame, array or graph in, plotly Figure (or, in `network`, an HTML page) out.

Every Figure carries its heading and its takeaway, one sentence with the numbers, in ``layout.meta``:
read them with `style.title` and `style.alt`.
"""
