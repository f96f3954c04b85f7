"""What to draft: levels of the tries, how sure each is, and the search for the most probable nodes."""
