#!/usr/bin/env python3
"""Rounds of measurements of fovea, ONNX Runtime and llama.cpp, and their table: see run.

Each round takes every engine once, so that a machine that slows down slows all of them down. fovea's own
measurement of the machine's peaks begins and ends a round; a round in which a peak moved is left out and
another one begun instead, up to a number of rounds.
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
PEAKS = (("int8", "int8_gops", "GOP/s"), ("bf16", "bf16_gflops", "GFLOP/s"), ("f32", "f32_gflops", "GFLOP/s"),
         ("reading", "read_gbps", "GB/s"))
MOST_CHANGE = 0.05  # of a peak within a steady round: what `fovea bench` allows within one run


def output_of(command):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


def fovea(options, weights):
    """One run of `fovea bench`, medians as the peers' are; the model's random weights are kept for the next round."""
    report = json.loads(output_of([options.fovea, "bench", "--synthetic", "smolvlm-500m", "--keep", "--dtype", weights,
                                   "--threads", options.threads, "--json"]))
    row = {name: report[name] for name in COLUMNS}
    row["peaks"] = [report["machine"], report["machine_after"]]
    row["percent_of_peak"] = {"tile_ms": percent_of_peak(report["tiles"], tiles=1),
                              "prefill_872_ms": percent_of_peak(report["prefill"], tokens=872),
                              "decode_tok_s": percent_of_peak(report["decode"], context=900),
                              "end_to_end_ms": report["end_to_end"]["percent_of_peak"]}
    row["isa"] = report["isa"]
    return row


def percent_of_peak(measurements, **size):
    """Of the measurement of this size; None where the model's context was too short for it."""
    return next((each["percent_of_peak"] for each in measurements if size.items() <= each.items()), None)


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


def change_of_peaks(rows):
    """The largest change of a peak within one of a round's benches, or from the round's first measurement to a later
    one, as a fraction."""
    pairs = [row["peaks"] for row in rows if "peaks" in row]
    first = pairs[0][0]
    spans = pairs + [(first, peaks) for pair in pairs for peaks in pair]
    return max(abs(later[key] / earlier[key] - 1) for earlier, later in spans for _, key, _ in PEAKS)


def is_steady(rows):
    """Whether the machine held still in a round: by what fovea's bench says of each of its runs, and from the first
    of them to the last, between which the peers ran. None where --only left fovea out: nothing measured it."""
    benches = [row for row in rows if "peaks" in row]
    if not benches:
        return None
    return all(row["peaks"][0]["steady"] for row in benches) and change_of_peaks(benches) <= MOST_CHANGE


def measure_round(options, engines, number):
    """A row of each engine. An unsteady round ends where that shows: it would be left out anyway."""
    rows = []
    for name, engine in engines.items():
        print(f"peers: round {number}, {name}", file=sys.stderr)
        rows.append({"round": number, "engine": name, **engine(options)})
        if is_steady(rows) is False:
            print(f"peers: round {number} is left out: a peak moved by {100 * change_of_peaks(rows):.0f} %",
                  file=sys.stderr)
            break
    return rows


def read_results(path):
    """The rounds by their number, and how many were asked for by all runs that came to their end."""
    rounds, asked = {}, 0
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        row = json.loads(line)
        if "asked" in row:
            asked += row["asked"]
        elif "round" in row:
            rounds.setdefault(row["round"], []).append(row)
        else:
            sys.exit(f"{path}: expected the number of the round in every row, found one without: written by an earlier "
                     "form of this program; remove the file and measure again")
    return rounds, asked


def measure(options, engines=None):
    """Begins rounds until enough were not unsteady, or as many were begun as may be."""
    engines = {name: engine for name, engine in (engines or ENGINES).items() if re.search(options.only, name)}
    options.results.parent.mkdir(parents=True, exist_ok=True)
    before = max(read_results(options.results)[0], default=0)
    attempts = options.attempts or 2 * options.rounds
    kept = begun = 0

    def append(rows):
        # A round is written as a whole: one that was interrupted has no measurement of the machine at its end.
        with options.results.open("a", encoding="utf-8") as stream:
            stream.writelines(json.dumps(row) + "\n" for row in rows)

    while kept < options.rounds and begun < attempts:
        begun += 1
        rows = measure_round(options, engines, before + begun)
        append(rows)
        kept += is_steady(rows) is not False
    append([{"asked": options.rounds, "begun": begun, "kept": kept}])
    if kept < options.rounds:
        print(f"peers: {kept} of the {options.rounds} rounds asked for were steady, of {begun} begun", file=sys.stderr)


def processor():
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    fields = dict(re.findall(r"^(model name|cpu family|model)\s*: (.*)$", text, re.M))
    return f"{fields.get('model name', '?')} (family {fields.get('cpu family', '?')}, model {fields.get('model', '?')})"


def cell(values, digits):
    """The median, and the lowest and highest where there are several."""
    if not values:
        return ""
    spread = f" ({min(values):.{digits}f} to {max(values):.{digits}f})" if len(values) > 1 else ""
    return f"{statistics.median(values):,.{digits}f}{spread}"


def print_figures(rows):
    peaks = [peak for row in rows for peak in row.get("peaks", [])]
    isas = sorted({row["isa"] for row in rows if "isa" in row})
    print(processor() + ("; fovea's kernels: " + ", ".join(isas) if isas else "") + "\n")
    if peaks:
        print("Peaks, lowest to highest of these rounds: " + ", ".join(
            f"{name} {min(p[key] for p in peaks):.0f} to {max(p[key] for p in peaks):.0f} {unit}"
            for name, key, unit in PEAKS) + "\n")
    print("| engine | rounds | one tile, ms | prefill of 872, ms | decode at 900, tokens/s | all, ms | memory, MB |")
    print("|---|---|---|---|---|---|---|")
    for name in ENGINES:
        of_engine = [row for row in rows if row["engine"] == name]
        cells = [cell([row[column] for row in of_engine if row.get(column) is not None],
                      1 if column == "decode_tok_s" else 0) for column in COLUMNS]
        print(f"| {name} | {len(of_engine)} | " + " | ".join(cells) + " |")
    if not peaks:
        return
    print("\nPer cent of the peaks of fovea's kernels on this machine (decode: of reading):\n")
    print("| engine | one tile | prefill of 872 | decode at 900 | all |")
    print("|---|---|---|---|---|")
    for name in ENGINES:
        shares = [row["percent_of_peak"] for row in rows if row["engine"] == name and "percent_of_peak" in row]
        if shares:
            print(f"| {name} | " + " | ".join(cell([share[column] for share in shares if share[column] is not None], 0)
                                              for column in COLUMNS[:-1]) + " |")


def print_rounds(rounds, asked, kept):
    """Which rounds the figures are of, and which were left out."""
    dropped = {number: rows for number, rows in rounds.items() if number not in kept}
    unknown = sum(is_steady(rows) is None for rows in kept.values())
    print(f"\nRounds: {len(rounds)} begun, {len(kept)} used, {len(dropped)} left out as unsteady"
          + (" (the largest change of a peak in each: "
             + ", ".join(f"{100 * change_of_peaks(rows):.0f} %" for rows in dropped.values()) + ")" if dropped else "")
          + f". A round is steady when no peak moves by over {100 * MOST_CHANGE:.0f} % in it.")
    if unknown:
        print(f"Of {unknown} of those used it is not known whether the machine was steady: fovea, whose bench measures "
              "that, was not among the engines.")
    if len(kept) < asked:
        print(f"**Too few: {asked} rounds were asked for, {len(kept)} could be used.** "
              + ("What stands above is of those alone; measure again when the machine is quieter."
                 if kept else "There is nothing to compare; measure again when the machine is quieter."))


def table(options):
    """Prints what the steady rounds gave and how many others there were. Exit status 1 where there is no steady one."""
    rounds, asked = read_results(options.results)
    kept = {number: rows for number, rows in rounds.items() if is_steady(rows) is not False}
    if kept:
        print_figures([row for rows in kept.values() for row in rows])
    else:
        print(f"{processor()}\n\nNo steady round, so no figures.")
    print_rounds(rounds, asked, kept)
    return 0 if kept else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--fovea", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--attempts", type=int, default=0, help="rounds to begin at most; twice --rounds unless given")
    parser.add_argument("--only", default="")
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.table:
        sys.exit(table(options))
    measure(options)


if __name__ == "__main__":
    main()
