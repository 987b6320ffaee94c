"""The tests that `transformers` has for every model of its own, run on SignalLLM.

    python -m tests.tools.mixins CHECKOUT --layers '[{mixer: {kind: harmonic}}, {mixer: {kind: attention}}]' [TEST ...]

CHECKOUT is a checkout of transformers, of the version that is installed: its `ModelTesterMixin`,
`GenerationTesterMixin` and `ConfigTester` are not in the package. Tests that cannot hold are left out, each for
a reason that is printed with how many passed. Ends with exit code 1 if any fails.
"""

from __future__ import annotations

import argparse
import collections
import importlib
import importlib.util
import re
import sys
import unittest
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import yaml
from transformers.models.auto import modeling_auto

from signal_model.interchange import SignalLLMCache, SignalLLMConfig, SignalLLMForCausalLM, SignalLLMModel

BATCH, LENGTH, TOKENS, WIDTH = 3, 7, 99, 32
LAYERS = "[{mixer: {kind: harmonic}}, {mixer: {kind: attention}}]"
CANNOT_HOLD = {
    "test_model_get_set_embeddings": "the embedding of a SignalLLM is no nn.Embedding, and is its head too",
    "test_torch_export_generate_dynamic": "the states of a SignalLLM are no inputs that torch.export knows",
    "test_torch_export_generate_static": "the states of a SignalLLM are no inputs that torch.export knows",
}


def tests_of(checkout: Path) -> ModuleType:
    """Its package `tests`, in place of ours: it imports itself by that name."""
    name, folder = "tests", checkout / "tests"
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None or not (folder / "test_modeling_common.py").is_file():
        raise SystemExit(f"{checkout}: is no checkout of transformers: it has no tests/test_modeling_common.py")
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    spec.loader.exec_module(package)
    return package


class ModelTester:
    """What the mixins ask for: a small config and inputs of its sizes."""

    batch_size, seq_length, vocab_size, hidden_size = BATCH, LENGTH, TOKENS, WIDTH
    is_training = use_cache = True

    def __init__(self, layers: list[dict[str, Any]]) -> None:
        self.layers = layers
        self.num_hidden_layers = self.get_config().num_hidden_layers

    def get_config(self) -> SignalLLMConfig:
        model = {"vocab_size": TOKENS, "width": WIDTH, "context": 64, "layers": self.layers}
        return SignalLLMConfig(
            recipe={"model": model}, bos_token_id=0, eos_token_id=0, pad_token_id=0, use_cache=self.use_cache
        )

    def prepare_config_and_inputs_for_common(self) -> tuple[SignalLLMConfig, dict[str, Any]]:
        tokens = torch.randint(1, TOKENS, (BATCH, LENGTH))
        return self.get_config(), {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}


def case_of(checkout: Path, layers: list[dict[str, Any]]) -> type[unittest.TestCase]:
    """The mixins on a SignalLLM of these layers."""
    # By these names the mixins know what a model is for.
    modeling_auto.MODEL_MAPPING_NAMES[SignalLLMConfig.model_type] = SignalLLMModel.__name__
    modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[SignalLLMConfig.model_type] = SignalLLMForCausalLM.__name__
    package = tests_of(checkout).__name__
    modelling, generation, config = (
        importlib.import_module(f"{package}.{name}")
        for name in ("test_modeling_common", "generation.test_utils", "test_configuration_common")
    )

    class SignalLLMTest(modelling.ModelTesterMixin, generation.GenerationTesterMixin, unittest.TestCase):  # type: ignore[misc, name-defined]
        all_model_classes = (SignalLLMModel, SignalLLMForCausalLM)
        has_attentions = False
        test_resize_embeddings = False

        def setUp(self) -> None:
            if reason := CANNOT_HOLD.get(self._testMethodName):
                self.skipTest(reason)
            torch.manual_seed(0)
            self.model_tester = ModelTester(layers)
            if "torch_export" in self._testMethodName:
                self.model_tester.use_cache = False

        def test_config(self) -> None:
            names = ["hidden_size", "num_hidden_layers", "max_position_embeddings"]
            config.ConfigTester(self, config_class=SignalLLMConfig, common_properties=names).run_common_tests()

        def test_left_padding_compatibility(self) -> None:
            self.has_attentions = True  # which it takes for a sign that padding is supported
            self.model_tester.use_cache = False  # a cache with padding is refused
            super().test_left_padding_compatibility()

        def _check_past_key_values_for_generate(
            self, batch_size: int, past_key_values: SignalLLMCache, seq_length: int, config: SignalLLMConfig
        ) -> None:
            # Not a list of keys and values, whose shapes this is about for others.
            assert isinstance(past_key_values, SignalLLMCache)
            assert past_key_values.get_seq_length() == seq_length
            assert len(past_key_values.states) == 1 + config.num_hidden_layers
            assert {len(part) for state in past_key_values.states for part in state} == {batch_size}

    return SignalLLMTest


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--layers", default=LAYERS, help="as in a model's config")
    parser.add_argument("tests", nargs="*", help="all, unless some are named")
    arguments = parser.parse_args()
    case = case_of(arguments.checkout, yaml.safe_load(arguments.layers))
    names = arguments.tests or unittest.defaultTestLoader.getTestCaseNames(case)
    result = unittest.TextTestRunner(verbosity=0).run(unittest.TestSuite(map(case, names)))
    reasons = collections.Counter(re.sub(r"SignalLLM\w+", "SignalLLM", reason) for _, reason in result.skipped)
    for reason, count in reasons.most_common():
        print(f"{count:4d} skipped: {reason}")
    failed = len({test.id().split(" ")[0] for test, _ in [*result.failures, *result.errors]})
    print(f"{result.testsRun - failed - len(result.skipped)} passed, {len(result.skipped)} skipped, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
