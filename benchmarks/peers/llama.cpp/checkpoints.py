#!/usr/bin/env python3
"""GGUF files in the shape of SmolVLM-500M with random weights, and a photo to ask about.

    checkpoints.py GGUF_PY FOLDER     writes FOLDER/text-f16.gguf, FOLDER/vision-{f16,q8_0}.gguf, FOLDER/photo.jpg

GGUF_PY is the folder gguf-py of llama.cpp's sources. The tokenizer has the real vocabulary's size and special tokens;
its other entries are single bytes and made-up words. The photo is 1500 x 2100, which makes 13 tiles.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

HIDDEN, LAYERS, HEADS, KV_HEADS, INTERMEDIATE, WORDS, HEAD_DIM = 960, 32, 15, 5, 2560, 49280, 64
VISION, VISION_LAYERS, VISION_INTERMEDIATE = 768, 12, 3072
IMAGE_TOKENS = 49190
TEMPLATE = ("<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}{% if message['content'][0]['type'] "
            "== 'image' %}{{':'}}{% else %}{{': '}}{% endif %}{% for line in message['content'] %}{% if line['type'] == "
            "'text' %}{{line['text']}}{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}"
            "<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}")


def byte_symbols():
    """The printable character for each byte in byte-level BPE (the table of GPT-2)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    symbols, extra = {byte: chr(byte) for byte in printable}, 0
    for byte in range(256):
        if byte not in symbols:
            symbols[byte] = chr(256 + extra)
            extra += 1
    return [symbols[byte] for byte in range(256)]


def vocabulary():
    """Tokens, their types (1 normal, 3 control) and merges."""
    special = {0: "<|endoftext|>", 1: "<|im_start|>", 2: "<|im_end|>", 49152: "<global-img>",
               49189: "<fake_token_around_image>", IMAGE_TOKENS: "<image>", 49279: "<end_of_utterance>"}
    special |= {49153 + 6 * row + column: f"<row_{row + 1}_col_{column + 1}>" for row in range(6) for column in range(6)}
    special |= {i: f"<|reserved_special_token_{i - 49191}|>" for i in range(49191, 49279)}
    symbols = byte_symbols()
    tokens, kinds = [""] * WORDS, [1] * WORDS
    for i, text in special.items():
        tokens[i], kinds[i] = text, 3
    free = [i for i in range(WORDS) if i not in special]
    pairs = [(a, b) for a in symbols for b in symbols]
    words = symbols + [a + b for a, b in pairs]
    for i, word in zip(free, words):
        tokens[i] = word
    merges = [f"{a} {b}" for a, b in pairs[:len(free) - 256]]
    return tokens, kinds, merges


def write_text(gguf, path, random):
    tokens, kinds, merges = vocabulary()
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(8192)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INTERMEDIATE)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(100000.0)
    writer.add_rope_dimension_count(HEAD_DIM)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(WORDS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(49279)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)

    def matrix(name, rows, columns):
        writer.add_tensor(name, (random.standard_normal((rows, columns), dtype=np.float32) * 0.02).astype(np.float16))

    def norm(name):
        writer.add_tensor(name, np.ones(HIDDEN, np.float32))

    matrix("token_embd.weight", WORDS, HIDDEN)
    matrix("output.weight", WORDS, HIDDEN)
    norm("output_norm.weight")
    for i in range(LAYERS):
        block = f"blk.{i}."
        norm(block + "attn_norm.weight")
        norm(block + "ffn_norm.weight")
        for name, rows, columns in (("attn_q", HIDDEN, HIDDEN), ("attn_k", KV_HEADS * HEAD_DIM, HIDDEN),
                                    ("attn_v", KV_HEADS * HEAD_DIM, HIDDEN), ("attn_output", HIDDEN, HIDDEN),
                                    ("ffn_gate", INTERMEDIATE, HIDDEN), ("ffn_up", INTERMEDIATE, HIDDEN),
                                    ("ffn_down", HIDDEN, INTERMEDIATE)):
            matrix(f"{block}{name}.weight", rows, columns)
    finish(writer)


def write_vision(gguf, path, kind):
    random = np.random.default_rng(99)

    def noise(*shape):
        return random.standard_normal(shape, dtype=np.float32) * np.float32(0.02)

    writer = gguf.GGUFWriter(str(path), "clip")
    writer.add_type(gguf.GGUFType.MMPROJ)
    writer.add_file_type({"f16": gguf.LlamaFileType.MOSTLY_F16, "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0}[kind])
    writer.add_clip_has_vision_encoder(True)
    writer.add_vision_projection_dim(HIDDEN)
    writer.add_vision_image_size(512)
    writer.add_vision_preproc_image_size(2048)
    writer.add_vision_patch_size(16)
    writer.add_vision_embedding_length(VISION)
    writer.add_vision_feed_forward_length(VISION_INTERMEDIATE)
    writer.add_vision_block_count(VISION_LAYERS)
    writer.add_vision_head_count(12)
    writer.add_vision_image_mean([0.5] * 3)
    writer.add_vision_image_std([0.5] * 3)
    writer.add_vision_attention_layernorm_eps(1e-6)
    writer.add_vision_use_gelu(True)
    writer.add_clip_projector_type(gguf.VisionProjectorType.IDEFICS3)
    writer.add_vision_projector_scale_factor(4)

    def matrix(name, rows, columns):
        values = noise(rows, columns)
        if kind == "f16":
            writer.add_tensor(name, values.astype(np.float16))
        else:
            quantized = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quants.quantize(values, quantized), raw_dtype=quantized)

    writer.add_tensor("v.patch_embd.weight", noise(VISION, 3, 16, 16))
    writer.add_tensor("v.patch_embd.bias", noise(VISION))
    writer.add_tensor("v.position_embd.weight", noise(1024, VISION))
    writer.add_tensor("v.post_ln.weight", np.ones(VISION, np.float32))
    writer.add_tensor("v.post_ln.bias", noise(VISION))
    for i in range(VISION_LAYERS):
        block = f"v.blk.{i}."
        for name in ("ln1", "ln2"):
            writer.add_tensor(f"{block}{name}.weight", np.ones(VISION, np.float32))
            writer.add_tensor(f"{block}{name}.bias", noise(VISION))
        for name, rows, columns in (("attn_q", VISION, VISION), ("attn_k", VISION, VISION), ("attn_v", VISION, VISION),
                                    ("attn_out", VISION, VISION), ("ffn_up", VISION_INTERMEDIATE, VISION),
                                    ("ffn_down", VISION, VISION_INTERMEDIATE)):
            matrix(f"{block}{name}.weight", rows, columns)
            writer.add_tensor(f"{block}{name}.bias", noise(rows))
    matrix("mm.model.fc.weight", HIDDEN, 16 * VISION)
    finish(writer)


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_photo(path):
    random = np.random.default_rng(1)
    picture = Image.new("RGB", (1500, 2100), (180, 190, 200))
    draw = ImageDraw.Draw(picture)
    draw.rectangle([60, 60, 1440, 2040], fill=(245, 240, 220), outline=(20, 20, 20), width=12)
    for _ in range(60):
        x, y, size = (int(random.integers(120, 1100)) for _ in range(3))
        draw.ellipse([x, y, x + size // 8, y + size // 8], fill=tuple(int(v) for v in random.integers(0, 255, 3)))
    for row in range(18):
        for x in range(140, 1300, 90):
            draw.rectangle([x, 1100 + row * 50, x + int(random.integers(30, 80)), 1122 + row * 50], fill=(30, 30, 40))
    grain = np.asarray(picture).astype(np.int16) + random.normal(0, 6, (2100, 1500, 3)).astype(np.int16)
    Image.fromarray(np.clip(grain, 0, 255).astype(np.uint8)).save(path, quality=90)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.path.insert(0, sys.argv[1])
    import gguf  # pylint: disable=import-outside-toplevel
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    write_text(gguf, folder / "text-f16.gguf", np.random.default_rng(1234))
    for kind in ("f16", "q8_0"):
        write_vision(gguf, folder / f"vision-{kind}.gguf", kind)
    write_photo(folder / "photo.jpg")


if __name__ == "__main__":
    main()
