"""Pools: where the tasks of a run are worked."""
