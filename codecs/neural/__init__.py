"""CompressAI's models as codecs; only this package imports torch, and only when one of its codecs is opened."""
