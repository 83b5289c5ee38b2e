"""Frame slots, scheduling, stage timing."""
