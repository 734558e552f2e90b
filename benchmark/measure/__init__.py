"""Measuring: jobs, worker processes and devices."""
