"""A small restaurant to try things on. Nothing outside the command line and DEMO=1 imports it."""
