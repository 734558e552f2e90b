"""Corrupted image sets: writing, verifying and previewing them, and measuring the bands of their corruptions."""
