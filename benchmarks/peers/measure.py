#!/usr/bin/env python3
"""Rounds of measurements of fovea, ONNX Runtime and llama.cpp, and their table: see run.

Each round takes every engine once, so that a machine that slows down slows all of them down. fovea's own
measurement of the machine's peaks begins and ends a round.
"""

import argparse
import base64
import json
import re
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

COLUMNS = ("tile_ms", "prefill_872_ms", "decode_tok_s", "end_to_end_ms", "peak_rss_mb")


def output_of(command):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


def fovea(options, weights):
    """One quick run of `fovea bench`; the model's random weights are kept for the next round."""
    report = json.loads(output_of([options.fovea, "bench", "--synthetic", "smolvlm-500m", "--keep", "--dtype", weights,
                                   "--threads", options.threads, "--quick", "--json"]))
    row = {name: report[name] for name in COLUMNS}
    row["peaks"] = [report["machine"], report["machine_after"]]
    row["isa"] = report["isa"]
    return row


def onnxruntime(options, vision, decoder):
    library = next(options.cache.glob("onnxruntime/node_modules/onnxruntime-node/bin/*/linux/x64/libonnxruntime.so.1"))
    graphs = options.cache / "graphs"
    return json.loads(output_of([options.cache / "stages", library, graphs / f"{vision}.onnx" if vision else "-",
                                 graphs / f"{decoder}.onnx", options.threads, 1]))


def llama_bench(options, text):
    """Prefill of 872 tokens and decoding after 900."""
    row = {}
    for arguments in (["-p", 872, "-n", 0], ["-p", 0, "-n", 16, "-d", 900]):
        for test in json.loads(output_of([options.cache / "llama.cpp/build/bin/llama-bench", "-m",
                                          options.cache / f"gguf/text-{text}.gguf", "-t", options.threads, "-r", 2, "-o",
                                          "json", *arguments])):
            if test["n_prompt"]:
                row["prefill_872_ms"] = statistics.median(test["samples_ns"]) / 1e6
            else:
                row["decode_tok_s"] = statistics.median(test["samples_ts"])
    return row


def peak_memory_mb(process):
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024e-6


def llama_server(options, text, vision):
    """One question about the photo over HTTP, to a server that has just been warmed up with a question without one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = options.cache / "llama-server.log"
    with log.open("wb") as stream:
        process = subprocess.Popen([str(part) for part in (
            options.cache / "llama.cpp/build/bin/llama-server", "-m", options.cache / f"gguf/text-{text}.gguf", "--mmproj",
            options.cache / f"gguf/vision-{vision}.gguf", "-t", options.threads, "-c", 4096, "-np", 1, "-lv", 4, "--host",
            "127.0.0.1", "--port", port)], stdout=stream, stderr=subprocess.STDOUT)

    def post(content, tokens):
        body = {"messages": [{"role": "user", "content": content}], "max_tokens": tokens, "temperature": 0,
                "ignore_eos": True}
        request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/chat/completions", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=600) as answer:
            return json.load(answer)

    try:
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
                    break
            except (urllib.error.URLError, ConnectionError):
                if process.poll() is not None:
                    sys.exit(f"llama-server ended; see {log}")
                time.sleep(0.1)
        question = {"type": "text", "text": "Read this trading card."}
        post([question], 4)
        photo = base64.b64encode((options.cache / "gguf/photo.jpg").read_bytes()).decode()
        start = time.monotonic()
        answer = post([{"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{photo}"}}, question], 64)
        row = {"end_to_end_ms": 1000 * (time.monotonic() - start), "peak_rss_mb": peak_memory_mb(process),
               "prompt_tokens": answer["usage"]["prompt_tokens"]}
    finally:
        process.terminate()
        process.wait()
    row["tile_ms"] = median_tile_ms(log)
    return row


def median_tile_ms(log):
    """From the log's times (minutes.seconds.milliseconds.microseconds) of a tile's beginning and of what follows it."""
    stamp = r"(\d+)\.(\d+)\.(\d+)\.(\d+) I "
    tiles = []
    for found in re.finditer(stamp + r"[^\n]*encoding mtmd batch[^\n]*\n(?:[^\n]*\n)*?" + stamp + r"decoding image batch",
                             log.read_text(encoding="utf-8", errors="replace")):
        start, end = (60_000 * int(m) + 1000 * int(s) + int(ms) + int(us) / 1000
                      for m, s, ms, us in (found.groups()[:4], found.groups()[4:]))
        tiles.append(end - start)
    if not tiles:
        sys.exit(f"no time of a tile in {log}: another version of llama.cpp writes other lines")
    return statistics.median(tiles)


ENGINES = {
    "fovea, int8": lambda options: fovea(options, "int8"),
    "ONNX Runtime, int8": lambda options: onnxruntime(options, "vision-int8", "decoder-int8"),
    "ONNX Runtime, decoder int4": lambda options: onnxruntime(options, None, "decoder-int4"),
    "llama.cpp, Q8_0, vision f16": lambda options: llama_bench(options, "Q8_0") | llama_server(options, "Q8_0", "f16"),
    "llama.cpp, Q4_0, vision Q8_0": lambda options: llama_bench(options, "Q4_0") | llama_server(options, "Q4_0", "q8_0"),
    "fovea, int4": lambda options: fovea(options, "int4"),
}


def measure(options):
    options.results.parent.mkdir(parents=True, exist_ok=True)
    for number in range(options.rounds):
        for name, engine in ENGINES.items():
            if not re.search(options.only, name):
                continue
            print(f"peers: round {number + 1} of {options.rounds}, {name}", file=sys.stderr)
            row = {"engine": name, **engine(options)}
            with options.results.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(row) + "\n")


def processor():
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    fields = dict(re.findall(r"^(model name|cpu family|model)\s*: (.*)$", text, re.M))
    return f"{fields.get('model name', '?')} (family {fields.get('cpu family', '?')}, model {fields.get('model', '?')})"


def table(options):
    rows = [json.loads(line) for line in options.results.read_text(encoding="utf-8").splitlines()]
    peaks = [peak for row in rows for peak in row.get("peaks", [])]
    print(processor() + "; fovea's kernels: " + ", ".join(sorted({row["isa"] for row in rows if "isa" in row})) + "\n")
    print("Peaks, lowest to highest of all rounds: " + ", ".join(
        f"{name} {min(p[key] for p in peaks):.0f} to {max(p[key] for p in peaks):.0f} {unit}"
        for name, key, unit in (("int8", "int8_gops", "GOP/s"), ("bf16", "bf16_gflops", "GFLOP/s"),
                                ("f32", "f32_gflops", "GFLOP/s"), ("reading", "read_gbps", "GB/s"))) + "\n")
    print("| engine | rounds | one tile, ms | prefill of 872, ms | decode at 900, tokens/s | all, ms | memory, MB |")
    print("|---|---|---|---|---|---|---|")
    for name in ENGINES:
        of_engine = [row for row in rows if row["engine"] == name]
        cells = []
        for column in COLUMNS:
            values = [row[column] for row in of_engine if row.get(column) is not None]
            if not values:
                cells.append("")
                continue
            middle, digits = statistics.median(values), 1 if column == "decode_tok_s" else 0
            spread = f" ({min(values):.{digits}f} to {max(values):.{digits}f})" if len(values) > 1 else ""
            cells.append(f"{middle:,.{digits}f}{spread}")
        print(f"| {name} | {len(of_engine)} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--fovea", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.table:
        table(options)
    else:
        measure(options)


if __name__ == "__main__":
    main()
