"""The measures of quality: how near a decoded image is to its reference."""
