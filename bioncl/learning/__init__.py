"""Learning: the learner, methods, memories and the one loop."""
