"""What was spent and what was used, on a disk or in Redis."""
