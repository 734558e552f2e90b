"""Measures of quality: what is known of each before it is loaded, and the modules that compute them."""
