"""The command line; ``python -m lookahead --help``. Each command is a file, and ``main.COMMANDS`` names them all."""
