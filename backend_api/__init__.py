"""The backend: owns what is kept (snapshots, sessions, events) and serves it to dashboards."""
