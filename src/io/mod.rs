//! Bytes on disk: atomic writes, hashing, and the file formats of others.
