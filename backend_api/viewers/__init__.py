"""Viewer history: parts of minutes in, points for charts out, and the switch that decides what is kept."""
