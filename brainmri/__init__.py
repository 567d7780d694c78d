__version__ = "0.1.0"

from .core import lazy_attributes
__getattr__, __dir__ = lazy_attributes(__name__)
