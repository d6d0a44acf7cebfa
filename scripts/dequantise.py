"""A GGUF file with all weights as f32, for engines to be compared without the rounding of quantised products.

usage: dequantise.py MODEL.gguf OUT.gguf
"""

import sys

import gguf

source = gguf.GGUFReader(sys.argv[1])
writer = gguf.GGUFWriter(sys.argv[2], source.fields["general.architecture"].contents())
for key, field in source.fields.items():
    if not key.startswith("GGUF.") and key not in ("general.architecture", "general.file_type"):
        kind = field.types[0]
        writer.add_key_value(key, field.contents(), kind, field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None)
for tensor in source.tensors:
    shape = tuple(reversed(tensor.shape.tolist()))
    writer.add_tensor(tensor.name, gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(shape))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
