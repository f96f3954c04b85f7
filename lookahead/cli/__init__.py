"""The command line, one file per command; ``python -m lookahead --help``.

A command is a file with ``add_parser(commands)`` and ``run(args)``, named in ``main.build_parser``.
"""
