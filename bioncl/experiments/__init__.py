"""Experiments: checked settings in, results out, resumable."""
