"""The safetensors twin of a GGUF file, as transformers writes it: dequantised to f32, in shards, with an index.

usage: twin.py MODEL.gguf DIRECTORY
"""

import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

source, directory = Path(sys.argv[1]), sys.argv[2]
place = {"pretrained_model_name_or_path": str(source.parent), "gguf_file": source.name}
plain = GgufConfig(gguf_file=source.name, dequantize=True)
model = AutoModelForCausalLM.from_pretrained(**place, dtype=torch.float32, quantization_config=plain)
# The weights are plain f32 now; without this transformers takes them for GGUF's and refuses to write them.
model.hf_quantizer = None
if hasattr(model.config, "quantization_config"):
    del model.config.quantization_config
model.save_pretrained(directory, max_shard_size="200MB")
AutoTokenizer.from_pretrained(**place).save_pretrained(directory)
