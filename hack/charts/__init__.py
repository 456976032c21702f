"""Draw the charts of the documents from the recorded figures, as SVG.

Series differ by marks, dashes and hatches, so that a chart is readable in black and white.
"""
