"""What can be drafted from: ``registry`` names every source; each other file is one kind of it."""
