"""Sleep: one night of a network, and when and how long it lasts."""
