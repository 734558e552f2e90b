"""Loads compiled code on import: the process that workers are forked from does this once, for all of them."""

from ....analysis.measures.table import MS_SSIM, use_once

use_once(MS_SSIM)
