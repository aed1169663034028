"""What keeps the notebooks and the public address in order."""
