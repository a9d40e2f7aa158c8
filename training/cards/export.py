"""Writes a trained reader as a Hugging Face directory (Idefics3, bf16 safetensors)."""

import json
from pathlib import Path

import torch
from torch import nn

import fields
import safetensors_io
from model import CardReader, CharacterHead, Config

HEAD_FILE = "training-head.safetensors"

CHAT_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}"
    "{% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n"
    "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)


def model_config(c: Config) -> dict:
    """`config.json`."""
    return {
        "architectures": ["Idefics3ForConditionalGeneration"],
        "dtype": "bfloat16",
        "image_token_id": fields.IMAGE_ID,
        "model_type": "idefics3",
        "pad_token_id": fields.PAD_ID,
        "scale_factor": c.scale_factor,
        "text_config": {
            "attention_bias": False,
            "attention_dropout": 0.0,
            "bos_token_id": fields.START_ID,
            "eos_token_id": fields.END_ID,
            "head_dim": c.head_dim,
            "hidden_act": "silu",
            "hidden_size": c.hidden,
            "initializer_range": 0.02,
            "intermediate_size": c.intermediate,
            "max_position_embeddings": 2048,
            "mlp_bias": False,
            "model_type": "llama",
            "num_attention_heads": c.heads,
            "num_hidden_layers": c.layers,
            "num_key_value_heads": c.kv_heads,
            "pad_token_id": fields.PAD_ID,
            "rms_norm_eps": c.rms_eps,
            "rope_parameters": {"rope_theta": c.rope_theta, "rope_type": "default"},
            "tie_word_embeddings": True,
            "use_cache": True,
            "vocab_size": c.vocab,
        },
        "tie_word_embeddings": True,
        "use_cache": True,
        "vision_config": {
            "attention_dropout": 0.0,
            "hidden_act": "gelu_pytorch_tanh",
            "hidden_size": c.vision_hidden,
            "image_size": c.image_size,
            "initializer_range": 0.02,
            "intermediate_size": c.vision_intermediate,
            "layer_norm_eps": c.layer_norm_eps,
            "model_type": "idefics3_vision",
            "num_attention_heads": c.vision_heads,
            "num_channels": 3,
            "num_hidden_layers": c.vision_layers,
            "patch_size": c.patch_size,
        },
    }


def processor_configs(c: Config) -> tuple[dict, dict]:
    """`processor_config.json` (newer layout) and `preprocessor_config.json` (older)."""
    image = {
        "do_convert_rgb": True,
        "do_image_splitting": False,
        "do_normalize": True,
        "do_pad": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_processor_type": "Idefics3ImageProcessor",
        "image_std": [0.5, 0.5, 0.5],
        "max_image_size": {"longest_edge": c.image_size},
        "resample": 1,
        "rescale_factor": 1 / 255,
        "size": {"longest_edge": c.longest_edge},
    }
    processor = {"image_processor": image, "image_seq_len": c.image_tokens, "processor_class": "Idefics3Processor"}
    return processor, {**image, "processor_class": "Idefics3Processor"}


def tokenizer_configs() -> tuple[dict, dict]:
    """`tokenizer_config.json` and `special_tokens_map.json`."""
    names = {
        "bos_token": "<|im_start|>",
        "eos_token": "<end_of_utterance>",
        "pad_token": "<|im_end|>",
        "unk_token": "<|endoftext|>",
    }
    extra = ["<fake_token_around_image>", "<image>", "<end_of_utterance>"]
    config = {
        **names,
        "backend": "tokenizers",
        "clean_up_tokenization_spaces": False,
        "extra_special_tokens": extra,
        "model_max_length": 2048,
        "processor_class": "Idefics3Processor",
        "tokenizer_class": "TokenizersBackend",
    }
    return config, {**names, "additional_special_tokens": extra}


def _save(module: nn.Module, path: Path) -> None:
    state = {name: tensor.to(torch.bfloat16) for name, tensor in module.state_dict().items()}
    safetensors_io.save(state, path)


def write_model(reader: CardReader, out: Path, training: dict, head: CharacterHead | None = None) -> None:
    """Writes weights (bf16) and every configuration file; `training` notes step and seed.

    The character head, which only training uses, goes beside training.json.
    """
    out.mkdir(parents=True, exist_ok=True)
    _save(reader, out / "model.safetensors")
    if head is not None:
        _save(head, out / HEAD_FILE)
    processor, preprocessor = processor_configs(reader.c)
    tokenizer, special = tokenizer_configs()
    generation = {
        "bos_token_id": fields.START_ID,
        "eos_token_id": fields.END_ID,
        "max_new_tokens": fields.MAX_ANSWER,
        "pad_token_id": fields.PAD_ID,
        "use_cache": True,
    }
    files = {
        "config.json": model_config(reader.c),
        "generation_config.json": generation,
        "processor_config.json": processor,
        "preprocessor_config.json": preprocessor,
        "tokenizer_config.json": tokenizer,
        "special_tokens_map.json": special,
        "training.json": training,
    }
    for name, content in files.items():
        (out / name).write_text(json.dumps(content, indent=2) + "\n")
    (out / "tokenizer.json").write_text(json.dumps(fields.tokenizer_json(), indent=1, ensure_ascii=False) + "\n")
    (out / "chat_template.jinja").write_text(CHAT_TEMPLATE)
