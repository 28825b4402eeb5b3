"""Tutoring: links that a student opens, the lesson behind each, and what it costs."""
