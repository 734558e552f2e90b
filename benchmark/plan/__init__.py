"""What to measure: images under corruptions through codec points, and the plans that name them."""
