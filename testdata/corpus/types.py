#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
"""Records the types of the corpus as C: types.py BPFTOOL OBJECTS OUT. OUT gets a line an object, with the bytes and the FNV-1a of 64 bits
of what bpftool 7.8 writes for `btf dump file OBJECT format c unsorted` between its head and its tail."""
import os
import subprocess
import sys
import tempfile

from generate import pack, unpack


def fnv(text):
    value = 0xCBF29CE484222325
    for byte in text:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def main():
    bpftool, objects, out = sys.argv[1:]
    lines = []
    with tempfile.TemporaryDirectory() as work:
        path = os.path.join(work, "object.o")
        for name, contents in unpack(open(objects, "rb").read()):
            with open(path, "wb") as file:
                file.write(contents)
            text = subprocess.run([bpftool, "btf", "dump", "file", path, "format", "c", "unsorted"], capture_output=True, check=True).stdout
            types = text.split(b"#endif\n#endif\n\n", 1)[1].split(b"\n/* BPF kfuncs */\n", 1)[0]
            lines.append(f"{name} {len(types)} {fnv(types):016x}\n")
    open(out, "wb").write(pack([("types.txt", "".join(lines).encode())]))
    print(len(lines))


if __name__ == "__main__":
    main()
