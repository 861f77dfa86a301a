"""What the original programs of Stable Diffusion call the tensors of diffusers.

References: https://github.com/CompVis/stable-diffusion and, for the text encoder of the
second version, https://github.com/mlfoundations/open_clip
"""

import re

# Parts of a residual block of the U-Net.
RESIDUAL = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
UNET = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
MIDDLE = {"resnets.0": 0, "attentions.0": 1, "resnets.1": 2}
# Attention of the autoencoder: as the original calls it, and diffusers once did.
AUTOENCODER = {
    "mid_block.resnets.0": "mid.block_1",
    "mid_block.resnets.1": "mid.block_2",
    "mid_block.attentions.0.group_norm": "mid.attn_1.norm",
    "mid_block.attentions.0.to_q": "mid.attn_1.q",
    "mid_block.attentions.0.to_k": "mid.attn_1.k",
    "mid_block.attentions.0.to_v": "mid.attn_1.v",
    "mid_block.attentions.0.to_out.0": "mid.attn_1.proj_out",
    "conv_shortcut": "nin_shortcut",
    "conv_norm_out": "norm_out",
}
FORMER = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
OPEN_CLIP = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm": "ln_final",
    "encoder.layers": "transformer.resblocks",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}


def former(name: str) -> str:
    """Returns what diffusers called a tensor of the autoencoder before 2023."""
    head, attention, tail = name.partition("attentions.0.")
    return head + attention + _replaced(tail, FORMER)


def unet(name: str, layers: int, attending: set) -> str:
    """Returns the original name of a tensor of the U-Net, such as "conv_in.weight".

    Args:
        name: of diffusers.
        layers: residual blocks of a level on the way down.
        attending: numbers of the up blocks with attention.
    """
    found = re.fullmatch(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.+)", name)
    if found:
        way, block, kind, j, rest = found.groups()
        block, resampling = int(block), kind.endswith("samplers")
        number = block * (layers + 1) + (layers if resampling else int(j))
        start = (
            f"input_blocks.{1 + number}" if way == "down" else f"output_blocks.{number}"
        )
        if kind == "downsamplers":
            return f"{start}.0.{rest.replace('conv', 'op')}"
        if kind == "upsamplers":
            return f"{start}.{1 + (block in attending)}.{rest}"
        if kind == "attentions":
            return f"{start}.1.{rest}"
        return f"{start}.0.{_replaced(rest, RESIDUAL)}"
    if found := re.fullmatch(r"mid_block\.(\w+\.\d)\.(.+)", name):
        part, rest = found.groups()
        rest = _replaced(rest, RESIDUAL) if part.startswith("res") else rest
        return f"middle_block.{MIDDLE[part]}.{rest}"
    return _replaced(name, UNET)


def autoencoder(name: str, levels: int) -> str:
    """Returns the original name of a tensor of the autoencoder.

    Args:
        name: of diffusers.
        levels: of the encoder and the decoder; the decoder's are counted from below.
    """

    def renamed(found):
        way, block, kind, j, rest = found.groups()
        block = int(block) if way == "down" else levels - 1 - int(block)
        inner = f"block.{j}" if kind == "resnets" else f"{way}sample"
        return f"{way}.{block}.{inner}.{rest}"

    pattern = r"(down|up)_blocks\.(\d+)\.(resnets|downsamplers|upsamplers)\.(\d+)\.(.+)"
    return _replaced(re.sub(pattern, renamed, name), AUTOENCODER)


def open_clip(name: str) -> tuple[str, int | None]:
    """Returns the original name of a tensor of the second version's text encoder.

    Args:
        name: of transformers, without "text_model.".

    Returns:
        `(name, which)`: queries, keys and values are thirds of one tensor, counted by
        `which`; it is None where the tensor is all of it.
    """
    found = re.fullmatch(r"(.+)\.self_attn\.([qkv])_proj\.(\w+)", name)
    if found:
        layer, which, kind = found.groups()
        return f"{_replaced(layer, OPEN_CLIP)}.attn.in_proj_{kind}", "qkv".index(which)
    return _replaced(name, OPEN_CLIP), None


def _replaced(name, table):
    """Replaces each part of a name with dots that a table holds."""
    for ours, theirs in table.items():
        name = re.sub(rf"(?<![^.]){re.escape(ours)}(?![^.])", theirs, name)
    return name
