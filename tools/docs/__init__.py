"What tools/site.py builds the site with."
