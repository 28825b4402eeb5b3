"""What remembers counts: from a change to five-second slots, a minute's part and the checkpoint on the disk."""
