"""Sockets that carry sessions: listening, tutoring and study, from the handshake to the reported interval."""
