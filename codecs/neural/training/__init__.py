"""Training of neural codecs: from photographs and a recipe to packaged checkpoints."""
