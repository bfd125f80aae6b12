#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
"""Records what C libbpf makes of the corpus: record.py RECORD OBJECTS OUT, with record.c compiled as RECORD.

OUT gets an entry an object: what record prints for the new kernel, and for the old one what it prints after `load old`."""
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

from generate import HERE, pack, unpack


def run(args):
    done = subprocess.run(args, capture_output=True, text=True)
    # A crash of libbpf is its answer too.
    return done.stdout + (f"signal {-done.returncode}\n" if done.returncode else "")


def main():
    record, objects, out = sys.argv[1:]
    traps = os.path.join(HERE, "traps.btf")
    with tempfile.TemporaryDirectory() as work, ThreadPoolExecutor(os.cpu_count()) as pool:

        def one(entry):
            name, contents = entry
            path = os.path.join(work, name)
            with open(path, "wb") as file:
                file.write(contents)
            new, old = (run([record, kernel, traps, path]) for kernel in ("new", "old"))
            at = old.find("load old\n")
            return name, (new + (old[at:] if at >= 0 else "")).encode()

        entries = list(pool.map(one, unpack(open(objects, "rb").read())))
    open(out, "wb").write(pack(entries))
    crashed = [n for n, t in entries if b"\nsignal " in t or t.startswith(b"signal")]
    print(f"{len(entries)} objects, {sum(t.startswith(b'open 0') for _, t in entries)} opened, crashes: {' '.join(crashed)}")


if __name__ == "__main__":
    main()
