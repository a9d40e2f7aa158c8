"""Loads an exported folder in transformers and reads evaluation pictures with it.

usage: verify_export.py --model FOLDER --data FOLDER [--n 64]
Checks that every key matches, that the tokenizer and the prompt agree with this folder's
own, and that greedy text (f32) equals our own greedy text.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer
from transformers import AutoProcessor, Idefics3ForConditionalGeneration

import evaluate
import fields

BATCH = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--n", type=int, default=64)
    args = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model, info = Idefics3ForConditionalGeneration.from_pretrained(
        args.model, dtype=torch.float32, output_loading_info=True
    )
    print("loading info", {k: sorted(map(str, v)) for k, v in info.items() if v}, flush=True)
    model = model.to(device).eval()
    tokenizer = Tokenizer.from_file(str(args.model / "tokenizer.json"))
    processor = AutoProcessor.from_pretrained(args.model)
    content = [{"type": "image"}, {"type": "text", "text": fields.PROMPT}]
    prompt = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    print("prompt", json.dumps(prompt), flush=True)

    lines = [json.loads(line) for line in (args.data / "manifest.jsonl").read_text().splitlines()][: args.n]
    own = evaluate.load_model(args.model, device).eval()
    texts, same_text, same_pixels = [], 0, 0
    for line in lines:
        answer = fields.answer_text(line["truth"])
        assert tokenizer.encode(answer).ids == fields.encode(answer), answer
        assert tokenizer.decode(fields.encode(answer)) == answer, answer
    for at in range(0, len(lines), BATCH):
        paths = [args.data / line["image"] for line in lines[at : at + BATCH]]
        images = [[Image.open(path).convert("RGB")] for path in paths]
        inputs = processor(text=[prompt] * len(images), images=images, return_tensors="pt").to(device)
        assert inputs["input_ids"][0].tolist() == fields.prompt_ids(own.c.image_tokens)
        ids = model.generate(**inputs, do_sample=False, max_new_tokens=fields.MAX_ANSWER)
        new = ids[:, inputs["input_ids"].shape[1] :]
        read = processor.batch_decode(new, skip_special_tokens=True)
        served = [evaluate.served_picture(path, own.c.longest_edge, own.c.image_size) for path in paths]
        pixels = torch.from_numpy(np.stack(served))
        x = (pixels.permute(0, 3, 1, 2).float() / 127.5 - 1).to(device)
        gaps = (x - inputs["pixel_values"][:, 0]).abs().amax((1, 2, 3))
        same_pixels += int((gaps < 1e-6).sum())
        same_text += sum(fields.decode(a) == b for a, b in zip(own.generate(x), read))
        texts += read
    print("transformers", json.dumps(evaluate.score(texts, [line["truth"] for line in lines])))
    print(f"text equal to ours {same_text}/{len(lines)}, pixels equal to Pillow's {same_pixels}/{len(lines)}")


if __name__ == "__main__":
    main()
