"""Presence nodes: which of them are alive, and up to when everything they know has arrived."""
