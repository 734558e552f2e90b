"""The measures of what a codec does to an image."""
