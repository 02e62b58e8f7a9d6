"""The command line: one thin file per subcommand. A command parses, calls, prints."""
