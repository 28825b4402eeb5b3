"""Engagement with tracks: events in batches, counters, rollups, dashboards."""
