"""Results for people: figures and pages."""
