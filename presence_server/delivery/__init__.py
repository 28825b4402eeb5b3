"""Reports on their way to the backend: kept on the disk, sent oldest first, forgotten on acknowledgement."""
