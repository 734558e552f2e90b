"""CompressAI's models as codecs: the only place that imports torch, and only when one of its codecs is opened."""
