"""Which rounds of benchmarks/peers/measure.py count: peers_test.py REPOSITORY. No engine runs; stand-ins answer."""

import contextlib
import io
import json
import subprocess
import sys
import tempfile
import types
import unittest
from pathlib import Path

REPOSITORY = Path(sys.argv.pop(1)).resolve()
PROGRAM = REPOSITORY / "benchmarks/peers/measure.py"
sys.path.insert(0, str(PROGRAM.parent))
import measure  # noqa: E402


def peaks(scale=1.0):
    return {"int8_gops": 300 * scale, "bf16_gflops": 180 * scale, "f32_gflops": 170 * scale, "read_gbps": 20 * scale}


def bench(before=1.0, after=1.0, tile=100.0, steady=None):
    """What measure.fovea gives: the machine at these speeds before and after."""
    steady = abs(after / before - 1) <= 0.05 if steady is None else steady
    return {"tile_ms": tile, "prefill_872_ms": 900.0, "decode_tok_s": 40.0, "end_to_end_ms": 5000.0, "peak_rss_mb": 600.0,
            "peaks": [peaks(before) | {"steady": steady}, peaks(after)], "isa": "avx2",
            "percent_of_peak": {"tile_ms": 71.0, "prefill_872_ms": 72.0, "decode_tok_s": 93.0, "end_to_end_ms": 74.0}}


def peer(tile=110.0):
    return {"tile_ms": tile, "prefill_872_ms": 800.0, "decode_tok_s": 30.0}


class SteadyTest(unittest.TestCase):
    def test_a_round_of_steady_benches_is_steady(self):
        self.assertIs(measure.is_steady([bench(), peer(), bench(1.02, 1.04)]), True)

    def test_a_bench_that_calls_itself_unsteady_makes_the_round_unsteady(self):
        self.assertIs(measure.is_steady([bench(), peer(), bench(steady=False)]), False)
        self.assertIs(measure.is_steady([bench(steady=False), peer(), bench()]), False)

    def test_a_machine_that_moved_between_steady_benches_makes_the_round_unsteady(self):
        self.assertIs(measure.is_steady([bench(), peer(), bench(0.9, 0.9)]), False)
        self.assertAlmostEqual(measure.change_of_peaks([bench(), peer(), bench(0.9, 0.9)]), 0.1)

    def test_without_a_measurement_of_the_machine_it_is_not_known(self):
        self.assertIsNone(measure.is_steady([peer()]))


class RoundsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.results = Path(folder.name) / "results.jsonl"
        self.called = []

    def measure(self, first, rounds, attempts=0, last=None, only=""):
        """Measures with benches that give `first` and `last`, one after the other, around one peer."""
        first, last = iter(first), iter(last or [bench()] * 99)

        def engine(name, answer):
            def run(_):
                self.called.append(name)
                return answer()
            return run

        engines = {"fovea, int8": engine("fovea, int8", lambda: next(first)),
                   "ONNX Runtime, int8": engine("ONNX Runtime, int8", peer),
                   "fovea, int4": engine("fovea, int4", lambda: next(last))}
        options = types.SimpleNamespace(results=self.results, rounds=rounds, attempts=attempts, only=only)
        with contextlib.redirect_stderr(io.StringIO()) as told:
            measure.measure(options, engines)
        return told.getvalue()

    def table(self):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            status = measure.table(types.SimpleNamespace(results=self.results))
        return status, printed.getvalue()

    def test_an_unsteady_round_is_replaced_and_its_figures_are_not_used(self):
        self.measure([bench(tile=100), bench(1, 1.5, tile=900), bench(tile=102)], rounds=2)
        self.assertEqual(self.called.count("fovea, int8"), 3)
        status, printed = self.table()
        self.assertEqual(status, 0)
        self.assertIn("| fovea, int8 | 2 | 101 (100 to 102) |", printed)
        self.assertIn("3 begun, 2 used, 1 left out as unsteady (the largest change of a peak in each: 50 %)", printed)
        self.assertNotIn("Too few", printed)

    def test_a_round_that_is_lost_already_does_not_go_on_to_the_peers(self):
        self.measure([bench(1, 1.5), bench()], rounds=1)
        self.assertEqual(self.called, ["fovea, int8", "fovea, int8", "ONNX Runtime, int8", "fovea, int4"])

    def test_a_round_whose_end_is_unsteady_is_left_out_with_its_peers(self):
        self.measure([bench()] * 2, rounds=1, last=[bench(0.5, 0.5), bench()])
        self.assertIn("| ONNX Runtime, int8 | 1 |", self.table()[1])

    def test_there_are_at_most_twice_the_rounds_asked_for_and_too_few_are_called_too_few(self):
        told = self.measure([bench()] + [bench(1, 1.5)] * 9, rounds=3)
        self.assertEqual(self.called.count("fovea, int8"), 6)
        self.assertIn("1 of the 3 rounds asked for were steady, of 6 begun", told)
        status, printed = self.table()
        self.assertEqual(status, 0)
        self.assertIn("Too few: 3 rounds were asked for, 1 could be used", printed)

    def test_no_steady_round_gives_no_figures_and_exit_status_1(self):
        self.measure([bench(1, 1.5)] * 9, rounds=3, attempts=4)
        self.assertEqual(self.called, ["fovea, int8"] * 4)
        status, printed = self.table()
        self.assertEqual(status, 1)
        self.assertIn("No steady round", printed)
        self.assertIn("Too few: 3 rounds were asked for, 0 could be used", printed)
        self.assertNotIn("| fovea", printed)

    def test_more_rounds_go_behind_those_that_are_there(self):
        self.measure([bench(tile=100)], rounds=1)
        self.measure([bench(tile=104)], rounds=1)
        self.assertIn("| fovea, int8 | 2 | 102 (100 to 104) |", self.table()[1])

    def test_an_interrupted_round_leaves_nothing(self):
        def interrupted():
            yield bench()
            raise KeyboardInterrupt
        with self.assertRaises(KeyboardInterrupt):
            self.measure(interrupted(), rounds=2)
        self.assertEqual(len(self.results.read_text().splitlines()), 3)

    def test_peers_alone_are_used_and_called_unverified(self):
        self.measure([], rounds=1, only="ONNX")
        status, printed = self.table()
        self.assertEqual(status, 0)
        self.assertIn("Of 1 of those used it is not known whether the machine was steady", printed)

    def test_the_share_of_the_peak_stands_for_every_stage_of_fovea(self):
        self.measure([bench()], rounds=1)
        printed = self.table()[1]
        self.assertIn("| fovea, int8 | 71 | 72 | 93 | 74 |", printed)
        self.assertIn("fovea's kernels: avx2", printed)

    def test_results_without_rounds_are_refused(self):
        self.results.write_text(json.dumps({"engine": "fovea, int8", **bench()}) + "\n")
        with self.assertRaisesRegex(SystemExit, "expected the number of the round"):
            self.table()


class ProgramTest(unittest.TestCase):
    def test_the_program_reads_what_the_bench_prints(self):
        with tempfile.TemporaryDirectory() as folder:
            report = {"machine": peaks() | {"steady": True}, "isa": "avx2", "tile_ms": 100, "prefill_872_ms": None,
                      "decode_tok_s": 40, "end_to_end_ms": 5000, "peak_rss_mb": 600, "machine_after": peaks(),
                      "tiles": [{"tiles": 1, "percent_of_peak": 71}, {"tiles": 13, "percent_of_peak": 70}], "prefill": [],
                      "decode": [{"context": 64, "percent_of_peak": 95}, {"context": 900, "percent_of_peak": 93}],
                      "end_to_end": {"percent_of_peak": 74}}
            fovea = Path(folder) / "fovea"
            fovea.write_text(f"#!/bin/sh\ncat <<'TEXT'\n{json.dumps(report)}\nTEXT\n")
            fovea.chmod(0o755)
            results = Path(folder) / "results.jsonl"

            def run(*arguments):
                return subprocess.run([sys.executable, "-B", PROGRAM, "--results", results, *arguments], check=True,
                                      capture_output=True, text=True).stdout
            run("--fovea", fovea, "--only", "^fovea, int8", "--rounds", "2")
            self.assertIn("| fovea, int8 | 71 (71 to 71) |  | 93 (93 to 93) | 74 (74 to 74) |", run("--table"))


if __name__ == "__main__":
    unittest.main()
