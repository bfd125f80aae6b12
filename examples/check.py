#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
"""Runs the examples and compares what they print with the .expected files.

usage: check.py OXBPF linux|embedded [--have kprobe,fentry,lsm,cgroup] [NAME …]

Run it in the repository's root. README.md beside this file says what a pattern means. Exit status: the
number of cases that failed.
"""
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORD = re.compile(r"\{\.\.\.\}|\.\.\.|(?:\{(?:pid|int|str)\}|[\w./:-])+")
PLACES = {"int": r"-?(?:0x[0-9a-fA-F]+|[0-9]+)", "pid": r"[0-9]+", "str": r"\S*"}


def words(line, pattern=False):
    found = WORD.findall(line) if pattern else re.findall(r"[\w./:-]+", line)
    found = (w.strip(":") if set(w) != {"."} else w for w in found)
    return ["..." if w == "{...}" else w for w in found if w]


def word_matches(want, have, bound):
    parts = re.split(r"\{(pid|int|str)\}", want)
    text = ""
    for i, part in enumerate(parts):
        if i % 2 == 0:
            text += re.escape(part)
        elif part == "pid":
            text += f"(?P<pid>{re.escape(bound['pid']) if 'pid' in bound else PLACES['pid']})" if "?P<pid>" not in text else "(?P=pid)"
        else:
            text += PLACES[part]
    m = re.fullmatch(text, have)
    if m and "pid" in m.groupdict():
        return {**bound, "pid": m["pid"]}
    return bound if m else None


def match_from(want, have, bound, anywhere):
    """The bindings after matching `want` as a run in `have`, or None."""
    if not want:
        return bound
    if want[0] == "...":
        return match_from(want[1:], have, bound, True)
    starts = range(len(have)) if anywhere else range(min(1, len(have)))
    for i in starts:
        now = word_matches(want[0], have[i], bound)
        if now is not None:
            rest = match_from(want[1:], have[i + 1:], now, False)
            if rest is not None:
                return rest
    return None


def compare(case, output):
    """What is wrong with the output, one string a problem."""
    lines = [words(line) for line in output.splitlines()]
    problems, bound, at = [], {}, 0
    for want in case["ordered"]:
        for i in range(at, len(lines)):
            now = match_from(words(want, True), lines[i], bound, True)
            if now is not None:
                bound, at = now, i + 1
                break
        else:
            problems.append(f"missing: {want}")
    for want in case["anywhere"]:
        if not any(match_from(words(want, True), line, bound, True) is not None for line in lines):
            problems.append(f"missing: {want}")
    for never in case["never"]:
        if any(match_from(words(never, True), line, bound, True) is not None for line in lines):
            problems.append(f"not wanted: {never}")
    return problems


def cases(path):
    found = []
    for line in path.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("$ "):
            found.append(dict(command=line[2:], on=[], needs=[], exit="0", ordered=[], anywhere=[], never=[]))
        elif m := re.match(r"(on|needs|exit|not): (.*)", line):
            key, value = m.groups()
            if key == "exit":
                found[-1]["exit"] = value
            elif key == "not":
                found[-1]["never"].append(value)
            else:
                found[-1][key] = value.split()
        elif line.startswith("~ "):
            found[-1]["anywhere"].append(line[2:])
        else:
            found[-1]["ordered"].append(line)
    return found


def run(case, tool, backend):
    argv, env = shlex.split(case["command"]), dict(os.environ)
    while "=" in argv[0]:
        name, value = argv.pop(0).split("=", 1)
        env[name] = value
    argv = [tool, argv[1], argv[2], "--backend", backend] + argv[3:]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, errors="replace", timeout=60)
    problems = compare(case, done.stdout + done.stderr)
    if case["exit"] == "error":
        if done.returncode == 0:
            problems.append("succeeded")
    elif case["exit"] != "any" and done.returncode != int(case["exit"]):
        problems.append(f"exit status {done.returncode}, not {case['exit']}")
    return problems, done


def main():
    tool, backend, *rest = sys.argv[1:]
    have = []
    if rest[:1] == ["--have"]:
        have, rest = rest[1].split(","), rest[2:]
    passed = failed = skipped = 0
    for path in sorted(HERE.glob("*.expected")):
        if rest and path.stem not in rest:
            continue
        for case in cases(path):
            if backend not in case["on"]:
                continue
            if backend == "linux" and (lacking := [n for n in case["needs"] if n not in have]):
                print(f"skip {path.stem}: needs {', '.join(lacking)}: {case['command']}")
                skipped += 1
                continue
            try:
                problems, done = run(case, tool, backend)
            except subprocess.TimeoutExpired:
                problems, done = ["no end after 60 s"], None
            if not problems:
                print(f"ok   {path.stem}: {case['command']}")
                passed += 1
                continue
            failed += 1
            print(f"FAIL {path.stem}: {case['command']}")
            for problem in problems:
                print(f"     {problem}")
            if done:
                for line in (done.stdout + done.stderr).splitlines():
                    print(f"     | {line}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return failed


if __name__ == "__main__":
    sys.exit(main())
