"""Listening to stations: sessions over HTTP, listening time, reports, lists."""
