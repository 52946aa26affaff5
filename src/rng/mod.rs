//! Random streams: numpy's and Python's legacy MT19937, and seed derivation.
