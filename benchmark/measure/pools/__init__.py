"""Pools: the processes that work on the tasks of a run."""
