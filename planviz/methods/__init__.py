"""The training methods, one self-contained file each, its equation on top."""
