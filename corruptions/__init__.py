"""Ways to spoil a picture, and the sets of pictures they are applied to."""
