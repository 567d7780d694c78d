"Trials that try to break brainmri: see `python -m reliability --help`."
