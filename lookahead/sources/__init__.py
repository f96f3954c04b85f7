"""What can be drafted from: ``registry`` names the sources, ``source`` says what one can do, the rest are kinds."""
