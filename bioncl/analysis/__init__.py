"""Numbers from what was recorded: pure functions on arrays."""
