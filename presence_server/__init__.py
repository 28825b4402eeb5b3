"""The presence server: holds the sockets of live pages and counts who is in each room."""
