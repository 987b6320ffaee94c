"""SignalLLM as a `transformers` model, and folders from one form to the other and back, bit for bit.

Importing this package registers the model: `AutoModelForCausalLM.from_pretrained(folder)` then loads what
`to_transformers` wrote, with no code from the folder. `AutoTokenizer` needs nothing registered.
"""

from signal_model.support.errors import InputError

try:
    import transformers  # noqa: F401
except ModuleNotFoundError as missing:
    if missing.name != "transformers":
        raise
    raise InputError("transformers: is not installed; add it with pip install 'hrfevo[transformers]'") from None

from signal_model.interchange.backbone import SignalLLMModel
from signal_model.interchange.cache import SignalLLMCache
from signal_model.interchange.classification import SignalLLMForSequenceClassification
from signal_model.interchange.config import SignalLLMConfig
from signal_model.interchange.folders import from_transformers, to_transformers
from signal_model.interchange.model import SignalLLMForCausalLM

__all__ = [
    "SignalLLMCache",
    "SignalLLMConfig",
    "SignalLLMForCausalLM",
    "SignalLLMForSequenceClassification",
    "SignalLLMModel",
    "from_transformers",
    "to_transformers",
]
