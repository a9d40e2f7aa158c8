#!/usr/bin/env python3
"""Computes reference outputs with Hugging Face transformers on tiny random checkpoints of the SmolVLM family.

Usage: make_golden.py BASE OUT

BASE is an existing golden folder (tests/data/golden/smolvlm-tiny-f32): its tokenizer and pictures are used
again. Each variant below is written to OUT/<name> as a complete checkpoint directory with `golden.json` (the
cases) and `golden.safetensors` (prompt ids, generated ids, logits of the last prompt position, pixels of the first
picture, image features). The weights are random, the computation is the library's own, in float32 on the CPU.
"""

import json
import math
import pathlib
import shutil
import sys

import torch
import transformers
from PIL import Image
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForImageTextToText, AutoTokenizer
from transformers import Idefics3Config, Idefics3ForConditionalGeneration
from transformers import Idefics3Processor
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

GRID_MARKERS = {"<global-img>"} | {f"<row_{r}_col_{c}>" for r in range(1, 7) for c in range(1, 7)}
NEW_TOKENS = 24


def randomize(model: torch.nn.Module, seed: int) -> None:
    """Weights large enough that greedy answers vary with picture and prompt."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim == 1 and name.endswith("weight"):
                parameter.copy_(1 + 0.1 * noise)
            elif parameter.ndim == 1:
                parameter.copy_(0.1 * noise)
            elif "embed_tokens" in name:
                parameter.copy_(0.2 * noise)  # small, or a tied head would only ever repeat the last token
            elif "position_embedding" in name:
                parameter.copy_(0.3 * noise)
            else:
                fan_in = math.prod(parameter.shape[1:])
                parameter.copy_(1.3 * noise / math.sqrt(fan_in))


def three_marker_tokenizer(tokenizer: dict) -> dict:
    """As the 2.2B v1 vocabulary: grid markers are plain text; merges in the older string form."""
    tokenizer["added_tokens"] = [t for t in tokenizer["added_tokens"] if t["content"] not in GRID_MARKERS]
    for marker in GRID_MARKERS:
        del tokenizer["model"]["vocab"][marker]
    tokenizer["model"]["merges"] = [m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]]
    tokenizer["post_processor"] = None
    return tokenizer


def save_sharded(tensors: dict[str, torch.Tensor], out: pathlib.Path) -> None:
    names = sorted(tensors)
    halves = [names[: len(names) // 2], names[len(names) // 2 :]]
    weight_map = {}
    for index, half in enumerate(halves, 1):
        shard = f"model-{index:05d}-of-00002.safetensors"
        save_file({name: tensors[name] for name in half}, out / shard, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(half, shard)
    total = sum(t.numel() * t.element_size() for t in tensors.values())
    index_file = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (out / "model.safetensors.index.json").write_text(json.dumps(index_file, indent=1))


def load_f32(directory: pathlib.Path) -> torch.nn.Module:
    return AutoModelForImageTextToText.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager").eval()


def report_rope_frequencies(directory: pathlib.Path) -> None:
    """Prints which rotary frequencies the library computes with for a bf16 checkpoint, by way of loading."""
    ways = {
        "from_pretrained(float32)": lambda: load_f32(directory),
        "from_pretrained(auto)": lambda: AutoModelForImageTextToText.from_pretrained(directory, dtype="auto"),
        "from_pretrained(auto).float()": lambda: AutoModelForImageTextToText.from_pretrained(
            directory, dtype="auto").float(),
        "from_pretrained(bfloat16)": lambda: AutoModelForImageTextToText.from_pretrained(
            directory, dtype=torch.bfloat16),
        "from_config, to(bfloat16)": lambda: AutoModelForImageTextToText.from_config(
            AutoConfig.from_pretrained(directory)).to(torch.bfloat16).float(),
    }
    for name, load in ways.items():
        inv_freq = load().model.text_model.rotary_emb.inv_freq
        print("rope:", name, inv_freq.dtype, [f"{v:.8g}" for v in inv_freq.float().tolist()], flush=True)


VARIANTS = [
    {
        # Older file layout, sharded f16, three-marker vocabulary, patches that do not fill the tile,
        # scale factor 3, head_dim from hidden_size / heads, keys left out where they equal class defaults.
        "name": "smolvlm-tiny-older-f16",
        "dtype": torch.float16,
        "layout": "older",
        "sharded": True,
        "three_markers": True,
        "scale_factor": 3,
        "text": dict(hidden_size=80, intermediate_size=144, num_hidden_layers=2, num_attention_heads=4,
                     num_key_value_heads=4, rope_theta=273768.0, rms_norm_eps=1e-5),
        "vision": dict(hidden_size=72, intermediate_size=112, num_hidden_layers=2, num_attention_heads=3,
                       image_size=86, patch_size=14),
        "tie": False,
        "processor": dict(do_image_splitting=True, size={"longest_edge": 344}, max_image_size={"longest_edge": 86}),
        "images": ["0_300x420_RGB.png", "1_1000x260_RGB.png"],
    },
    {
        # One frame, biases in the text model, head_dim that is not hidden_size / heads, one kv head, bicubic,
        # other mean and deviation, tied head.
        "name": "smolvlm-tiny-nosplit-bf16",
        "dtype": torch.bfloat16,
        "layout": "newer",
        "sharded": False,
        "three_markers": False,
        "scale_factor": 2,
        "text": dict(hidden_size=64, intermediate_size=112, num_hidden_layers=2, num_attention_heads=4,
                     num_key_value_heads=1, head_dim=24, rope_theta=10000.0, rms_norm_eps=1e-5,
                     attention_bias=True, mlp_bias=True),
        "vision": dict(hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=2,
                       image_size=96, patch_size=16),
        "tie": True,
        "processor": dict(do_image_splitting=False, size={"longest_edge": 160}, max_image_size={"longest_edge": 96},
                          resample=3, image_mean=[0.48, 0.46, 0.41], image_std=[0.27, 0.26, 0.28]),
        "images": ["4_640x480_RGB.jpg", "3_512x512_L.png"],
    },
]


def older_config(config: dict) -> dict:
    """config.json as checkpoints of 2024 spell it; values equal to class defaults are left out."""
    text, vision = config["text_config"], config["vision_config"]
    rope = text.pop("rope_parameters", None)
    if rope:
        text["rope_theta"] = rope["rope_theta"]
    for key in ("head_dim", "num_key_value_heads", "hidden_act", "attention_bias", "mlp_bias", "dtype"):
        text.pop(key, None)
    for key in ("layer_norm_eps", "hidden_act", "num_channels", "dtype"):
        vision.pop(key, None)
    config["torch_dtype"] = config.pop("dtype", "float16")
    config["text_config"]["architectures"] = ["VLlama3ForCausalLM"]
    return config


def make(variant: dict, base: pathlib.Path, out: pathlib.Path, seed: int) -> None:
    out.mkdir(parents=True)
    tokenizer_json = json.loads((base / "tokenizer.json").read_text())
    if variant["three_markers"]:
        tokenizer_json = three_marker_tokenizer(tokenizer_json)
    (out / "tokenizer.json").write_text(json.dumps(tokenizer_json, ensure_ascii=False))
    for name in ("tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(base / name, out / name)
    tokenizer = AutoTokenizer.from_pretrained(out)
    vocab_size = len(tokenizer_json["model"]["vocab"]) + 5 if not variant["three_markers"] else 900
    text = dict(variant["text"], vocab_size=vocab_size, max_position_embeddings=2048, model_type="llama",
                bos_token_id=1, eos_token_id=9, pad_token_id=2, tie_word_embeddings=variant["tie"])
    theta = text.pop("rope_theta")
    text["rope_parameters"] = {"rope_type": "default", "rope_theta": theta}
    config = Idefics3Config(text_config=text, vision_config=variant["vision"], scale_factor=variant["scale_factor"],
                            image_token_id=8, tie_word_embeddings=variant["tie"], pad_token_id=2)
    config._attn_implementation = "eager"
    torch.manual_seed(seed)
    model = Idefics3ForConditionalGeneration(config).eval()
    randomize(model, seed)
    tensors = {k: v.to(variant["dtype"]).contiguous() for k, v in model.state_dict().items()}
    if variant["tie"]:
        tensors = {k: v for k, v in tensors.items() if not k.endswith("lm_head.weight")}
    if variant["sharded"]:
        save_sharded(tensors, out)
    else:
        save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})

    config_json = json.loads(config.to_json_string(use_diff=False) if variant["layout"] == "newer" else config.to_json_string())
    config_json["architectures"] = ["Idefics3ForConditionalGeneration"]
    if variant["layout"] == "older":
        config_json = older_config(config_json)
    (out / "config.json").write_text(json.dumps(config_json, indent=1))
    generation = {"_from_model_config": True, "bos_token_id": 1, "eos_token_id": [9, 2], "pad_token_id": 2}
    (out / "generation_config.json").write_text(json.dumps(generation, indent=1))
    # As a user loads it: the stored weights, everything computed in float32. (Casting a whole model to bf16 and
    # back would round the rotary frequencies too.)
    model = load_f32(out)

    image_processor = Idefics3ImageProcessorPil(**variant["processor"])
    processor = Idefics3Processor(image_processor, tokenizer, image_seq_len=(
        (variant["vision"]["image_size"] // variant["vision"]["patch_size"]) // variant["scale_factor"]) ** 2,
        chat_template=(base / "chat_template.jinja").read_text())
    picture_config = json.loads(image_processor.to_json_string())
    if variant["layout"] == "older":
        (out / "preprocessor_config.json").write_text(json.dumps(picture_config, indent=1))
        (out / "processor_config.json").write_text(json.dumps(
            {"image_seq_len": processor.image_seq_len, "processor_class": "Idefics3Processor"}, indent=1))
    else:
        (out / "processor_config.json").write_text(json.dumps(
            {"image_processor": picture_config, "image_seq_len": processor.image_seq_len,
             "processor_class": "Idefics3Processor"}, indent=1))

    cases, arrays = [], {}
    for picture_name in variant["images"]:
        for prompt in ("What card is this?", "Read the HP. Answer in JSON."):
            i = len(cases)
            messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]}]
            chat_text = processor.apply_chat_template(messages, add_generation_prompt=True)
            picture = Image.open(base / "images" / picture_name)
            inputs = processor(text=chat_text, images=[[picture]], return_tensors="pt")
            ids = inputs["input_ids"]
            with torch.no_grad():
                features = model.model.get_image_features(inputs["pixel_values"], inputs.get("pixel_attention_mask"))
                features = getattr(features, "pooler_output", features)
                if isinstance(features, (list, tuple)):
                    features = torch.cat(list(features))
                generated, margin, prompt_logits = [], math.inf, None
                full = ids
                for _ in range(NEW_TOKENS):
                    logits = model(input_ids=full, pixel_values=inputs["pixel_values"],
                                   pixel_attention_mask=inputs.get("pixel_attention_mask")).logits[0]
                    if prompt_logits is None:
                        prompt_logits = logits
                    last = logits[-1].clone()
                    last[[9, 2]] = -math.inf
                    top = torch.topk(last, 2)
                    margin = min(margin, float(top.values[0] - top.values[1]))
                    generated.append(int(top.indices[0]))
                    full = torch.cat([full, top.indices[:1].view(1, 1)], dim=1)
            cases.append({"i": i, "image": f"../{base.name}/images/{picture_name}", "prompt": prompt, "chat_text": chat_text,
                          "min_top2_margin": margin,
                          "text": tokenizer.decode(generated, skip_special_tokens=True,
                                                   clean_up_tokenization_spaces=False)})
            arrays[f"c{i}.input_ids"] = ids[0].to(torch.int32).contiguous()
            arrays[f"c{i}.generated"] = torch.tensor(generated, dtype=torch.int32)
            arrays[f"c{i}.logits_last"] = prompt_logits[-1].clone().contiguous()
            arrays[f"c{i}.logits_argmax"] = prompt_logits.argmax(-1).to(torch.int32).contiguous()
            if prompt.startswith("What"):
                arrays[f"c{i}.image_features"] = features.reshape(
                    -1, features.shape[-2], features.shape[-1]).contiguous()
                if i == 0:
                    arrays[f"c{i}.pixel_values"] = inputs["pixel_values"][0].contiguous()
            print(out.name, i, picture_name, ids.shape, len(set(generated)), f"margin {margin:.2e}", flush=True)
    save_file(arrays, out / "golden.safetensors")
    (out / "golden.json").write_text(json.dumps({
        "image_processor_class": type(image_processor).__name__, "transformers": transformers.__version__,
        "cases": cases}, indent=1))


def main() -> int:
    base, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    torch.set_num_threads(4)
    failed = 0
    try:
        report_rope_frequencies(base.parent / "smolvlm-tiny-bf16-tied")
    except Exception as error:
        print("rope report failed:", error, flush=True)
    for seed, variant in enumerate(VARIANTS, 11):
        try:
            make(variant, base, out / variant["name"], seed)
        except Exception as error:  # one variant that fails must not cost the others
            import traceback
            traceback.print_exc()
            print(variant["name"], "failed:", error, flush=True)
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
