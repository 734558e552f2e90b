"""The lane: one process that holds a device and works neural codecs on it, in batches."""
