#!/usr/bin/env python3
"""ONNX graphs in the shape of SmolVLM-500M with random weights, as exporters for ONNX Runtime write them.

    graphs.py vision|decoder int8|int4 FOLDER      writes FOLDER/PART-KIND.onnx and its .data

int8 is what onnxruntime.quantization.quantize_dynamic emits: DynamicQuantizeLinear and MatMulInteger, a scale for
every output. int4 is com.microsoft's MatMulNBits, blocks of 32, accuracy level 4 (activations in int8). Attention
uses the fused operators (MultiHeadAttention, GroupQueryAttention with keys and values updated in place), the best
that ONNX Runtime has on a CPU. Needs Debian's python3-onnx.
"""

import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

MICROSOFT = "com.microsoft"
TYPES = {"float32": TensorProto.FLOAT, "int8": TensorProto.INT8, "uint8": TensorProto.UINT8,
         "int64": TensorProto.INT64}


class Graph:
    """Nodes and weights of one graph; large weights go to a file beside it."""

    def __init__(self, path: Path, kind: str):
        self.path, self.kind = path, kind
        self.data_path = path.with_suffix(".data")
        self.data = self.data_path.open("wb")
        self.random = np.random.default_rng(1)
        self.nodes, self.initializers, self.inputs, self.outputs = [], [], [], []
        self.quantized = set()

    def noise(self, *shape):
        return self.random.standard_normal(shape, dtype=np.float32) * np.float32(0.02)

    def weight(self, name, values):
        values = np.ascontiguousarray(values)
        if values.nbytes < 4096:
            self.initializers.append(numpy_helper.from_array(values, name))
            return name
        self.data.write(b"\0" * (-self.data.tell() % 4096))
        tensor = TensorProto(name=name, data_type=TYPES[str(values.dtype)], dims=values.shape,
                             data_location=TensorProto.EXTERNAL)
        for key, value in (("location", self.data_path.name), ("offset", self.data.tell()), ("length", values.nbytes)):
            tensor.external_data.add(key=key, value=str(value))
        self.data.write(values.tobytes())
        self.initializers.append(tensor)
        return name

    def node(self, operator, inputs, outputs, domain="", **attributes):
        outputs = [outputs] if isinstance(outputs, str) else outputs
        self.nodes.append(helper.make_node(operator, inputs, outputs, name=f"{outputs[0]}/{operator}", domain=domain,
                                           **attributes))
        return outputs[0]

    def linear(self, x, inputs, outputs, name, bias=True):
        weight = self.noise(inputs, outputs)
        if self.kind == "int8":
            y = self.linear_int8(x, weight, name)
        else:
            y = self.linear_int4(x, weight, name)
        return self.node("Add", [y, self.weight(name + ".bias", self.noise(outputs))], name + "_biased") if bias else y

    def linear_int8(self, x, weight, name):
        scale = np.abs(weight).max(0) / 127
        values = np.clip(np.rint(weight / scale), -127, 127).astype(np.int8)
        if x not in self.quantized:
            self.node("DynamicQuantizeLinear", [x], [x + "_values", x + "_scale", x + "_zero"])
            self.quantized.add(x)
        zeros = self.weight(name + ".zeros", np.zeros(values.shape[1], np.int8))
        sums = self.node("MatMulInteger",
                         [x + "_values", self.weight(name + ".values", values), x + "_zero", zeros], name + "_sums")
        floats = self.node("Cast", [sums], name + "_floats", to=TensorProto.FLOAT)
        both = self.node("Mul", [x + "_scale", self.weight(name + ".scale", scale.astype(np.float32))], name + "_scale")
        return self.node("Mul", [floats, both], name + "_product")

    def linear_int4(self, x, weight, name):
        inputs, outputs = weight.shape
        blocks = weight.T.reshape(outputs, inputs // 32, 32)
        scale = np.abs(blocks).max(2, keepdims=True) / 7
        values = np.clip(np.rint(blocks / scale) + 8, 0, 15).astype(np.uint8)
        packed = values[:, :, 0::2] | (values[:, :, 1::2] << 4)
        return self.node("MatMulNBits",
                         [x, self.weight(name + ".values", packed),
                          self.weight(name + ".scales", scale.reshape(-1).astype(np.float32))],
                         name + "_product", domain=MICROSOFT, K=inputs, N=outputs, bits=4, block_size=32,
                         accuracy_level=4)

    def reshape(self, x, name, *shape):
        return self.node("Reshape", [x, self.weight(name + "_shape", np.array(shape, np.int64))], name)

    def input(self, name, kind, *shape):
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))

    def output(self, name, kind, *shape):
        self.outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def save(self):
        self.data.close()
        graph = helper.make_graph(self.nodes, self.path.stem, self.inputs, self.outputs, initializer=self.initializers)
        model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17),
                                                                      helper.make_opsetid(MICROSOFT, 1)])
        self.path.write_bytes(model.SerializeToString())


def vision(graph):
    """SigLIP-B/16 at 512 pixels, the pixel shuffle and the connector: one tile to 64 features of 960."""
    hidden, layers, heads, intermediate = 768, 12, 12, 3072
    graph.input("pixel_values", TensorProto.FLOAT, "tiles", 3, 512, 512)
    graph.output("image_features", TensorProto.FLOAT, "tiles", 64, 960)
    x = graph.node("Conv", ["pixel_values", graph.weight("patch.weight", graph.noise(hidden, 3, 16, 16)),
                            graph.weight("patch.bias", graph.noise(hidden))], "patches", kernel_shape=[16, 16],
                   strides=[16, 16])
    x = graph.node("Transpose", [graph.reshape(x, "flat", 0, hidden, 1024)], "rows", perm=[0, 2, 1])
    x = graph.node("Add", [x, graph.weight("positions", graph.noise(1, 1024, hidden))], "embedded")

    def norm(x, name):
        return graph.node("LayerNormalization", [x, graph.weight(name + ".weight", np.ones(hidden, np.float32)),
                                                 graph.weight(name + ".bias", np.zeros(hidden, np.float32))],
                          name, axis=-1, epsilon=1e-6)

    for i in range(layers):
        layer = f"layer{i}."
        h = norm(x, layer + "norm1")
        q, k, v = (graph.linear(h, hidden, hidden, layer + part) for part in "qkv")
        h = graph.node("MultiHeadAttention", [q, k, v], layer + "attention", domain=MICROSOFT, num_heads=heads)
        x = graph.node("Add", [x, graph.linear(h, hidden, hidden, layer + "out")], layer + "sum1")
        h = graph.linear(norm(x, layer + "norm2"), hidden, intermediate, layer + "up")
        h = graph.node("FastGelu", [h], layer + "gelu", domain=MICROSOFT)
        x = graph.node("Add", [x, graph.linear(h, intermediate, hidden, layer + "down")], layer + "sum2")
    x = graph.reshape(norm(x, "norm"), "shuffle1", -1, 32, 8, 4 * hidden)
    x = graph.node("Transpose", [x], "shuffle2", perm=[0, 2, 1, 3])
    x = graph.reshape(x, "shuffle3", -1, 8, 8, 16 * hidden)
    x = graph.node("Transpose", [x], "shuffle4", perm=[0, 2, 1, 3])
    x = graph.reshape(x, "shuffle5", -1, 64, 16 * hidden)
    graph.node("Identity", [graph.linear(x, 16 * hidden, 960, "connector", bias=False)], "image_features")


def decoder(graph):
    """The text model of SmolLM2-360M's shape with an untied head; logits of the last position only."""
    hidden, layers, heads, kv_heads, width, intermediate, words = 960, 32, 15, 5, 64, 2560, 49280
    angles = np.arange(8192)[:, None] / (1e5 ** (np.arange(0, width, 2) / width))[None]
    graph.weight("cos", np.cos(angles).astype(np.float32))
    graph.weight("sin", np.sin(angles).astype(np.float32))
    graph.input("inputs_embeds", TensorProto.FLOAT, "batch", "tokens", hidden)
    graph.input("attention_mask", TensorProto.INT64, "batch", "positions")
    graph.output("logits", TensorProto.FLOAT, "batch", "last", words)
    length = graph.node("ReduceSum", ["attention_mask", graph.weight("axis1", np.array([1], np.int64))], "length",
                        keepdims=0)
    graph.node("Cast", [graph.node("Sub", [length, graph.weight("one", np.array([1], np.int64))], "before")],
               "seqlens", to=TensorProto.INT32)
    total = graph.node("Gather", [graph.node("Shape", ["attention_mask"], "mask_shape"),
                                  graph.weight("index1", np.array(1, np.int64))], "total64", axis=0)
    graph.node("Cast", [total], "total", to=TensorProto.INT32)

    def ones(name):
        return graph.weight(name + ".weight", np.ones(hidden, np.float32))

    h = graph.node("SimplifiedLayerNormalization", ["inputs_embeds", ones("layer0.norm1")], "layer0.norm1", axis=-1,
                   epsilon=1e-5, stash_type=1)
    residual = "inputs_embeds"

    def add_and_norm(x, name):
        nonlocal residual
        graph.node("SkipSimplifiedLayerNormalization", [x, residual, ones(name)], [name, "", "", name + "_sum"],
                   domain=MICROSOFT, epsilon=1e-5)
        residual = name + "_sum"
        return name

    for i in range(layers):
        layer = f"layer{i}."
        past = [f"past.{i}.key", f"past.{i}.value"]
        present = [f"present.{i}.key", f"present.{i}.value"]
        for name in past:
            graph.input(name, TensorProto.FLOAT, "batch", kv_heads, "past", width)
        for name in present:
            graph.output(name, TensorProto.FLOAT, "batch", kv_heads, "positions", width)
        q = graph.linear(h, hidden, heads * width, layer + "q", bias=False)
        k = graph.linear(h, hidden, kv_heads * width, layer + "k", bias=False)
        v = graph.linear(h, hidden, kv_heads * width, layer + "v", bias=False)
        h = graph.node("GroupQueryAttention", [q, k, v, *past, "seqlens", "total", "cos", "sin"],
                       [layer + "attention", *present], domain=MICROSOFT, num_heads=heads, kv_num_heads=kv_heads,
                       do_rotary=1, rotary_interleaved=0, scale=0.125)
        h = add_and_norm(graph.linear(h, hidden, hidden, layer + "out", bias=False), layer + "norm2")
        gate = graph.linear(h, hidden, intermediate, layer + "gate", bias=False)
        up = graph.linear(h, hidden, intermediate, layer + "up", bias=False)
        gate = graph.node("Mul", [gate, graph.node("Sigmoid", [gate], layer + "sigmoid")], layer + "silu")
        h = graph.node("Mul", [gate, up], layer + "product")
        h = graph.linear(h, intermediate, hidden, layer + "down", bias=False)
        h = add_and_norm(h, f"layer{i + 1}.norm1" if i + 1 < layers else "norm")
    h = graph.node("Gather", [h, graph.weight("minus1", np.array([-1], np.int64))], "last_row", axis=1)
    graph.node("Identity", [graph.linear(h, hidden, words, "head", bias=False)], "logits")


def main():
    part, kind, folder = sys.argv[1:]
    parts = {"vision": vision, "decoder": decoder}
    if part not in parts or kind not in ("int8", "int4"):
        sys.exit(__doc__)
    graph = Graph(Path(folder) / f"{part}-{kind}.onnx", kind)
    parts[part](graph)
    graph.save()


if __name__ == "__main__":
    main()
