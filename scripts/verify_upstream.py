"""The work behind scripts/verify-upstream, which explains itself with --help.

Three parts: what transformers computes (the only one that needs torch), what fovea computes (a run of the program
and its dump), and the comparison of the two, which is plain numpy.
"""

import argparse
import dataclasses
import importlib.util
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import typing

ROOT = pathlib.Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "models" / "samples" / "trading-card"
NEEDED = {"torch": "torch", "transformers": "transformers", "PIL": "pillow", "numpy": "numpy"}
PIXELS, RELATIVE = 1e-6, 1e-4  # what counts as parity


class Missing(Exception):
    """Something that the user has to provide first."""


class Refused(Exception):
    """fovea gave no answer where transformers did."""


@dataclasses.dataclass
class Outputs:
    """What one side made of a picture and a prompt, as numpy arrays."""

    pixels: typing.Any  # [frames, 3, T, T]
    features: typing.Any  # [frames, tokens, hidden]
    logits: typing.Any  # [prompt tokens, vocabulary]
    tokens: list[int]
    margins: list[float] | None = None  # of the reference: how far ahead of the second each token was


@dataclasses.dataclass
class Row:
    what: str
    found: str
    same: bool


def compare(reference: Outputs, ours: Outputs) -> list[Row]:
    """One row for everything that is compared."""
    import numpy as np

    def shapes(a, b) -> str | None:
        return None if a.shape == b.shape else f"shapes {list(b.shape)}, expected {list(a.shape)}"

    def distance(what: str, a, b, limit: float, relative: bool) -> Row:
        if wrong := shapes(a, b):
            return Row(what, wrong, False)
        difference = float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max())
        if relative:
            difference /= max(float(np.abs(a).max()), 1e-30)
        return Row(what, f"{difference:.2e}", difference <= limit)  # a NaN is no parity

    rows = [
        distance("pixels", reference.pixels, ours.pixels, PIXELS, relative=False),
        distance("features", reference.features, ours.features, RELATIVE, relative=True),
        distance("logits", reference.logits, ours.logits, RELATIVE, relative=True),
    ]
    # Two tokens that are closer than this may change places within the tolerance of the logits.
    tie = 2 * RELATIVE * float(np.abs(reference.logits).max())
    if wrong := shapes(reference.logits, ours.logits):
        rows.append(Row("argmax", wrong, False))
    else:
        top = np.sort(np.partition(reference.logits, -2, axis=-1)[:, -2:], axis=-1)
        clear = top[:, 1] - top[:, 0] > tie
        same = reference.logits.argmax(-1) == ours.logits.argmax(-1)
        rows.append(Row("argmax", f"{int(same.sum())}/{same.size}", bool((same | ~clear).all())))
    rows.append(compare_tokens(reference, ours, tie))
    return rows


def compare_tokens(reference: Outputs, ours: Outputs, tie: float) -> Row:
    count = max(len(reference.tokens), len(ours.tokens))
    for i in range(count):
        pair = [tokens[i] if i < len(tokens) else None for tokens in (reference.tokens, ours.tokens)]
        if pair[0] == pair[1]:
            continue
        if reference.margins and i < len(reference.margins) and reference.margins[i] <= tie:
            return Row("tokens", f"{i}/{count}, then a near-tie", True)
        return Row("tokens", f"{i}/{count}, then {pair[1]}, expected {pair[0]}", False)
    return Row("tokens", f"{count}/{count}", True)


def read_safetensors(path: pathlib.Path) -> dict[str, typing.Any]:
    """The F32 and I32 tensors of a file, by name."""
    import numpy as np

    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    types = {"F32": np.float32, "I32": np.int32}
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if name == "__metadata__" or entry["dtype"] not in types:
            continue
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(data[begin:end], types[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def run_fovea(program: pathlib.Path, directory: pathlib.Path, picture: pathlib.Path, prompt: str,
              max_new_tokens: int) -> Outputs:
    with tempfile.TemporaryDirectory() as folder:
        dump = pathlib.Path(folder) / "dump.safetensors"
        done = subprocess.run(
            [program, "generate", "--model", directory, "--image", picture, f"--prompt={prompt}", "--dtype", "f32",
             "--max-new-tokens", str(max_new_tokens), "--dump", dump, "--json"],
            capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Refused(f"{program} ended with exit code {done.returncode}: {done.stderr.strip()}")
        tensors = read_safetensors(dump)
    return Outputs(tensors["pixel_values"], tensors["image_features"], tensors["logits"],
                   json.loads(done.stdout)["token_ids"])


class Reference:
    """The checkpoint in transformers."""

    def __init__(self, directory: pathlib.Path) -> None:
        import torch
        import transformers

        self.torch = torch
        self.version = transformers.__version__
        print(f"reference: transformers {self.version}, torch {torch.__version__}, float32, eager attention", flush=True)
        self.model = transformers.AutoModelForImageTextToText.from_pretrained(
            directory, attn_implementation="eager",
            **{"torch_dtype" if self.version.startswith("4.") else "dtype": torch.float32}).eval()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
        self.image_processor = self.load_image_processor(directory)
        vision = self.model.config.vision_config
        self.tokens_per_frame = (vision.image_size // vision.patch_size // self.model.config.scale_factor) ** 2
        self.processor = transformers.Idefics3Processor(
            self.image_processor, self.tokenizer, image_seq_len=self.tokens_per_frame)

    @staticmethod
    def load_image_processor(directory: pathlib.Path):
        """The one that resizes with PIL, as the models were trained; newer releases have it beside the other."""
        try:
            from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
        except ImportError:
            from transformers import Idefics3ImageProcessor
            return Idefics3ImageProcessor.from_pretrained(directory)
        return Idefics3ImageProcessorPil.from_pretrained(directory)

    def run(self, picture: pathlib.Path, prompt: str, max_new_tokens: int) -> Outputs:
        from PIL import Image, ImageOps

        torch = self.torch
        image = ImageOps.exif_transpose(Image.open(picture)).convert("RGB")
        # The family's chat template, written out: older checkpoints keep it where not every release finds it.
        chat = f"<|im_start|>User:<image>{prompt}<end_of_utterance>\nAssistant:"
        inputs = self.processor(text=chat, images=[[image]], return_tensors="pt")
        with torch.no_grad():
            features = self.model.model.get_image_features(
                inputs["pixel_values"], inputs.get("pixel_attention_mask"))
            features = getattr(features, "pooler_output", features)
            if isinstance(features, (list, tuple)):
                features = torch.cat(list(features))
            logits = self.model(**inputs).logits[0]
            answer = self.model.generate(**inputs, do_sample=False, max_new_tokens=max_new_tokens,
                                         return_dict_in_generate=True, output_logits=True)
        tokens = answer.sequences[0, inputs["input_ids"].shape[1] :].tolist()
        top = [torch.topk(step[0].float(), 2).values for step in answer.logits]
        return Outputs(inputs["pixel_values"][0].numpy(), features.reshape(-1, *features.shape[-2:]).numpy(),
                       logits.float().numpy(), tokens, [float(pair[0] - pair[1]) for pair in top])

    def warn(self) -> None:
        if self.version.startswith("4.55"):
            print("note: this release shifts the position ids of the vision tower in float32 (transformers issue "
                  "41190); try another if the features differ")


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="verify-upstream", allow_abbrev=False,
        usage="verify-upstream DIR [PICTURE...] [--prompt TEXT]... [--max-new-tokens N] [--fovea PROGRAM]")
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("pictures", type=pathlib.Path, nargs="*")
    parser.add_argument("--prompt", action="append", dest="prompts")
    parser.add_argument("--max-new-tokens", type=int, default=32)
    parser.add_argument("--fovea", type=pathlib.Path, default=ROOT / "build" / "release" / "fovea")
    result = parser.parse_intermixed_args(arguments)
    if result.max_new_tokens < 1:
        parser.error("--max-new-tokens must be 1 or more")
    result.prompts = result.prompts or ["Can you describe this image?", "Read this trading card. Answer in JSON."]
    return result


def check(arguments: argparse.Namespace) -> None:
    """Raises Missing, naming everything that must be there before anything is computed."""
    if not (arguments.directory / "config.json").is_file():
        raise Missing(f"{arguments.directory}: no config.json; expected a checkpoint as downloaded from Hugging Face")
    if not arguments.pictures:
        arguments.pictures = sorted(p for p in SAMPLES.glob("*") if p.suffix in (".jpg", ".png", ".webp"))
    for picture in arguments.pictures:
        if not picture.is_file():
            raise Missing(f"{picture}: no such picture")
    if not arguments.pictures:
        raise Missing(f"{SAMPLES} holds no pictures; name some")
    if not arguments.fovea.is_file():
        raise Missing(f"{arguments.fovea}: not built yet; run make build, or name the program with --fovea")
    packages = [package for module, package in NEEDED.items() if importlib.util.find_spec(module) is None]
    if packages:
        raise Missing(f"{sys.executable} lacks {', '.join(packages)}; install: pip install {' '.join(packages)}")


def main(argv: list[str]) -> int:
    arguments = parse_arguments(argv)
    try:
        check(arguments)
        reference = Reference(arguments.directory)
        wrong = 0
        print(f"{'picture':24} {'prompt':24} {'what':9} {'found':34} ")
        for picture in arguments.pictures:
            for prompt in arguments.prompts:
                expected = reference.run(picture, prompt, arguments.max_new_tokens)
                found = run_fovea(arguments.fovea, arguments.directory, picture, prompt, arguments.max_new_tokens)
                for row in compare(expected, found):
                    print(f"{picture.name[:24]:24} {prompt[:24]:24} {row.what:9} {row.found:34} "
                          f"{'parity' if row.same else 'DIFFERS'}", flush=True)
                    wrong += not row.same
    except Missing as error:
        print(f"verify-upstream: {error}", file=sys.stderr)
        return 2
    except Refused as error:
        print(f"verify-upstream: {error}", file=sys.stderr)
        return 1
    cases = len(arguments.pictures) * len(arguments.prompts)
    if wrong:
        print(f"{wrong} differences in {cases} cases")
        reference.warn()
        return 1
    print(f"parity in all {cases} cases")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
