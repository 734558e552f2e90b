"""The lane: one process that owns a device and runs neural codecs on it, in batches."""
