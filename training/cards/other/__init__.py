"""A second renderer, for testing only: HTML and CSS in Chromium, then a printer and a scanner.

Shares with the first renderer the answer's fields and the side of the split that words
fall on; layouts, fonts, words, drawing and faults are its own. Never trained on.
"""
