"""Image corruptions, and the sets of images that they are applied to."""
