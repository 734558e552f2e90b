"""What every kind of figure is made of: its evidence, its needs, its choices and its looks."""
