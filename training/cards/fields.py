"""The task: which fields a card has, the answer text, the prompt and the tokenizer.

The answer is one strict JSON object with the seven FIELDS in order, then
`<end_of_utterance>`. Names and digits are spelled byte by byte; the JSON scaffold and
the closed vocabularies are whole tokens, so an answer stays under 80 tokens.
"""

import json

FIELDS = ("name", "hp", "collector_number", "set_name", "rarity", "stage", "first_edition")
RARITIES = ("Common", "Uncommon", "Rare", "Double Rare", "Ultra Rare", "Secret Rare", "Promo")
STAGES = ("Basic", "Stage 1", "Stage 2")
PROMPT = "Read this trading card. Answer in JSON."

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<fake_token_around_image>",
    "<image>",
    "<global-img>",
    "<end_of_utterance>",
)
SCAFFOLD_TOKENS = (
    '{"name":"',
    '","hp":',
    ',"collector_number":',
    ',"set_name":',
    ',"rarity":',
    ',"stage":',
    ',"first_edition":',
    "null",
    "true",
    "false",
    *(f'"{value}"' for value in RARITIES),
    *(f'"{value}"' for value in STAGES),
    PROMPT,
    "Assistant:",
    "User:",
)
FIRST_BYTE = len(SPECIAL_TOKENS)
FIRST_SCAFFOLD = FIRST_BYTE + 256
VOCAB_SIZE = 320
PAD_ID = SPECIAL_TOKENS.index("<|im_end|>")
START_ID = SPECIAL_TOKENS.index("<|im_start|>")
END_ID = SPECIAL_TOKENS.index("<end_of_utterance>")
IMAGE_ID = SPECIAL_TOKENS.index("<image>")
MAX_ANSWER = 88


def answer_text(truth: dict) -> str:
    """The JSON text a perfect reader prints for a truth record."""
    return json.dumps({key: truth[key] for key in FIELDS}, separators=(",", ":"))


def byte_symbols() -> list[str]:
    """GPT-2's printable symbol of each byte value, 0 to 255."""
    kept = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    symbols, extra = [], 0
    for byte in range(256):
        if byte in kept:
            symbols.append(chr(byte))
        else:
            symbols.append(chr(0x100 + extra))
            extra += 1
    return symbols


ADDED = {text: i for i, text in enumerate(SPECIAL_TOKENS)} | {
    text: FIRST_SCAFFOLD + i for i, text in enumerate(SCAFFOLD_TOKENS)
}
_BY_LENGTH = sorted(ADDED, key=len, reverse=True)


def encode(text: str) -> list[int]:
    """Token ids of a text: leftmost-longest added tokens, single bytes between them."""
    ids, at = [], 0
    while at < len(text):
        match = next((t for t in _BY_LENGTH if text.startswith(t, at)), None)
        if match is None:
            ids.extend(FIRST_BYTE + byte for byte in text[at].encode())
            at += 1
        else:
            ids.append(ADDED[match])
            at += len(match)
    return ids


_PIECES = {i: t.encode() for t, i in ADDED.items()} | {
    FIRST_BYTE + byte: bytes([byte]) for byte in range(256)
}


def decode(ids: list[int]) -> str:
    """Text of an answer's ids, without special tokens."""
    kept = (i for i in ids if i >= FIRST_BYTE and i in _PIECES)
    return b"".join(_PIECES[i] for i in kept).decode("utf-8", "replace")


def parse_answer(text: str) -> dict | None:
    """The record in an answer, or None where it is not the expected JSON object."""
    try:
        record = json.loads(text)
    except ValueError:
        return None
    if not isinstance(record, dict) or tuple(record) != FIELDS:
        return None
    return record


def prompt_ids(image_tokens: int) -> list[int]:
    """Ids of the whole prompt, with the image marker expanded to image_tokens."""
    image = "<fake_token_around_image><global-img>" + "<image>" * image_tokens
    text = f"<|im_start|>User:{image}<fake_token_around_image>{PROMPT}"
    return encode(text + "<end_of_utterance>\nAssistant:")


def tokenizer_json() -> dict:
    """The `tokenizer.json` of this vocabulary: byte-level BPE without merges."""

    def added(text: str, index: int, special: bool) -> dict:
        flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
        return {"id": index, "content": text, **flags, "special": special}

    vocab = {text: i for i, text in enumerate(SPECIAL_TOKENS)}
    vocab |= {symbol: FIRST_BYTE + byte for byte, symbol in enumerate(byte_symbols())}
    filler = range(FIRST_SCAFFOLD + len(SCAFFOLD_TOKENS), VOCAB_SIZE)
    tokens = [added(t, i, True) for i, t in enumerate(SPECIAL_TOKENS)]
    tokens += [added(t, FIRST_SCAFFOLD + i, False) for i, t in enumerate(SCAFFOLD_TOKENS)]
    tokens += [added(f"<|reserved_{i}|>", i, True) for i in filler]
    byte_level = {"type": "ByteLevel", "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": tokens,
        "normalizer": None,
        "pre_tokenizer": {**byte_level, "add_prefix_space": False},
        "post_processor": None,
        "decoder": {**byte_level, "add_prefix_space": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": vocab,
            "merges": [],
        },
    }
