"""What both programs stand on: settings, logs, HTTP routes, identity, health. Knows no feature and no database."""
