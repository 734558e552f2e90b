"""Corrupted image sets: written, verified, previewed, and the bands of their corruptions measured."""
