"Everything about the package that isn't code stands in settings.ini; this file hands it to setuptools."
from configparser import ConfigParser
from pathlib import Path
from setuptools import find_packages, setup

parser = ConfigParser(delimiters=["="])
parser.read("settings.ini", encoding="utf-8")
cfg = parser["DEFAULT"]
words = lambda key: cfg.get(key, "").split()
extras = {key.removesuffix("_requirements"): words(key) for key in cfg if key.endswith("_requirements")}
minimum = tuple(int(o) for o in cfg["min_python"].split("."))

setup(
    name=cfg["lib_name"], version=cfg["version"], description=cfg["description"], keywords=cfg["keywords"],
    author=cfg["author"], author_email=cfg["author_email"], url=cfg["git_url"], license="Apache-2.0",
    long_description=Path("README.md").read_text(encoding="utf-8") if Path("README.md").exists() else "", long_description_content_type="text/markdown",
    packages=find_packages(include=[cfg["lib_path"], cfg["lib_path"] + ".*"]), include_package_data=True, zip_safe=False,
    python_requires=f">={cfg['min_python']}", install_requires=words("requirements"), extras_require=extras,
    entry_points={"console_scripts": [line for line in cfg["console_scripts"].split() if line], "nbdev": [f"{cfg['lib_path']}={cfg['lib_path']}._modidx:d"]},
    classifiers=["Development Status :: 3 - Alpha", "Intended Audience :: Developers", "Intended Audience :: Science/Research", "Natural Language :: English",
                 *(f"Programming Language :: Python :: 3.{minor}" for minor in range(minimum[1], 14))],
)
