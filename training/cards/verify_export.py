"""Loads an exported folder in transformers and reads evaluation pictures with it.

usage: verify_export.py --model FOLDER --data FOLDER [--n 64]
Checks that every key matches, that the tokenizer and the prompt agree with this folder's
own, and that greedy text (f32) equals our own greedy text.
"""

import argparse
import json
from pathlib import Path

import torch
from PIL import Image
from tokenizers import Tokenizer
from transformers import AutoProcessor, Idefics3ForConditionalGeneration

import evaluate
import fields


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
        image = Image.open(args.data / line["image"]).convert("RGB")
        inputs = processor(text=prompt, images=[image], return_tensors="pt").to(device)
        assert inputs["input_ids"][0].tolist() == fields.prompt_ids(own.c.image_tokens)
        ids = model.generate(**inputs, do_sample=False, max_new_tokens=fields.MAX_ANSWER)
        new = ids[0, inputs["input_ids"].shape[1] :]
        texts.append(processor.decode(new, skip_special_tokens=True))
        pixels = torch.from_numpy(evaluate.served_picture(args.data / line["image"]).copy())
        x = (pixels.permute(2, 0, 1)[None].float() / 127.5 - 1).to(device)
        gap = (x - inputs["pixel_values"][0, :1]).abs().max().item()
        same_pixels += gap < 1e-6
        same_text += fields.decode(own.generate(x)[0]) == texts[-1]
    print("transformers", json.dumps(evaluate.score(texts, [line["truth"] for line in lines])))
    print(f"text equal to ours {same_text}/{len(lines)}, pixels equal to Pillow's {same_pixels}/{len(lines)}")


if __name__ == "__main__":
    main()
