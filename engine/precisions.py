"""Precisions of training by name, and the policy of data types that Keras has each."""

DTYPES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}
