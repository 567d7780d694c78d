"""How fast brainmri is, beside the loop that its users write today: `python -m bench --help`."""
