"""Measuring one shot: its images are made, coded and scored."""
