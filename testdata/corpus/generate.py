#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
"""Writes the sources of the corpus, compiles them, and packs the objects into one file.

    generate.py objects.zz              compile and pack
    generate.py --unpack FILE DIR       one file an entry
    generate.py --pack FILE PATH...     entries by the last parts of the paths

The container is zlib data: for each entry the length of its name (32 bits, little-endian), the name, the length of its
contents, the contents.
"""
import os
import struct
import subprocess
import sys
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor

import families
import shapes

HERE = os.path.dirname(os.path.abspath(__file__))
INCLUDE = os.path.normpath(os.path.join(HERE, "../../examples/include"))
CLANG, STRIP, GCC = "clang-19", "llvm-strip-19", "bpf-gcc"
# What each source is built as beside `-O2 -mcpu=v3` for little-endian: the index of the source picks one.
ROTATION = [("v1", "-O2", "bpfel"), None, ("v4", "-O2", "bpfel"), None, ("v3", "-O2", "bpfeb"), None, ("v2", "-O1", "bpfel"), None, None]
ALL = [(cpu, level, "bpfel") for cpu in ("v1", "v2", "v3", "v4") for level in ("-O1", "-O2")] + [("v3", "-O2", "bpfeb")]


def jobs():
    for family in families.FAMILIES + shapes.FAMILIES:
        for index, (name, text) in enumerate(family()):
            # Packet loads and 128-bit numbers apart, everything takes any instruction set.
            cpu = "v4" if name.startswith("arena") else "v3"
            yield name, text, (cpu, "-O2", "bpfel")
            extra = [v for v in ALL if v != ("v3", "-O2", "bpfel")] if family is shapes.calls and index < 6 else [ROTATION[index % len(ROTATION)]]
            for variant in extra:
                if variant and not name.startswith("arena"):
                    yield f"{name}.{variant[0]}{variant[1].replace('-', '')}{'be' if variant[2] == 'bpfeb' else ''}", text, variant
            if name.startswith("data_") or (family is shapes.types and index < 12):
                yield f"{name}.gcc", text, "gcc"


def compile_one(work, job):
    name, text, variant = job
    out = os.path.join(work, name + ".o")
    stem = name.split(".")[0]
    if variant == "gcc":
        # GCC records the directory that it runs in, and the name of the source.
        args = ["setarch", "-R", GCC, "-gbtf", "-O2", "-w", "-I" + INCLUDE, "-x", "c", "-c", "-", "-o", out]
        done = subprocess.run(args, input=text, cwd="/", capture_output=True, text=True)
    else:
        cpu, level, target = variant
        args = [CLANG, "-g", level, "-w", "-target", target, "-mcpu=" + cpu, "-I" + INCLUDE, f"-fdebug-prefix-map={INCLUDE}=include",
                f"-fdebug-prefix-map={work}=.", "-fdebug-compilation-dir=.", "-c", stem + ".c", "-o", out]
        done = subprocess.run(args, cwd=work, capture_output=True, text=True)
        if done.returncode == 0:
            subprocess.run([STRIP, "-g", out], check=True)
    if done.returncode != 0:
        return name, None, done.stderr
    with open(out, "rb") as file:
        return name, file.read(), ""


def pack(entries):
    raw = b"".join(struct.pack("<I", len(n.encode())) + n.encode() + struct.pack("<I", len(d)) + d for n, d in entries)
    return zlib.compress(raw, 9)


def unpack(packed):
    raw, at, entries = zlib.decompress(packed), 0, []
    while at < len(raw):
        parts = []
        for _ in range(2):
            (length,) = struct.unpack_from("<I", raw, at)
            parts.append(raw[at + 4:at + 4 + length])
            at += 4 + length
        entries.append((parts[0].decode(), parts[1]))
    return entries


def main():
    if sys.argv[1] == "--unpack":
        for name, contents in unpack(open(sys.argv[2], "rb").read()):
            with open(os.path.join(sys.argv[3], name), "wb") as file:
                file.write(contents)
        return
    if sys.argv[1] == "--pack":
        entries = [(os.path.basename(p), open(p, "rb").read()) for p in sys.argv[3:]]
        open(sys.argv[2], "wb").write(pack(entries))
        return
    entries, refused = [], []
    with tempfile.TemporaryDirectory() as work, ThreadPoolExecutor(os.cpu_count()) as pool:
        todo = list(jobs())
        for name, text, _ in todo:
            with open(os.path.join(work, name.split(".")[0] + ".c"), "w") as file:
                file.write(text)
        assert len({name for name, _, _ in todo}) == len(todo), "two of one name"
        for name, contents, message in pool.map(lambda job: compile_one(work, job), todo):
            if contents is None:
                refused.append(name)
                print(f"{name}: {message.strip().splitlines()[0] if message else '?'}", file=sys.stderr)
                continue
            assert work.encode() not in contents and b"/home" not in contents and HERE.encode() not in contents, name
            entries.append((name + ".o", contents))
    with open(sys.argv[1], "wb") as file:
        file.write(pack(entries))
    print(f"{len(entries)} objects, {sum(len(d) for _, d in entries)} bytes; refused by compilers: {len(refused)}")


if __name__ == "__main__":
    main()
