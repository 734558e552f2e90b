"""Loads compiled code on import: the process that workers are forked from does this once, for all of them."""

from ....analysis.measures.ms_ssim import warm

warm()
