"""The adaptive attacker: composes the catalogue's parts into the route that brings most back from one model."""
