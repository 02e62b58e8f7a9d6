"""`vlmunl store ...`: look after the artifact store. One file per subcommand; `group` lists them."""
