#!/bin/sh
# Writes libbpf's answers for all committed objects; see libbpf.c. Run in this folder, with ./oracle built.
set -u
root=../../../..
export KCONFIG='CONFIG_MODULES=m
CONFIG_HZ=250
CONFIG_NR_CPUS=8
CONFIG_PRINTK=y
CONFIG_BPF_SYSCALL=y
CONFIG_DEFAULT_HOSTNAME="x"
CONFIG_LOG_BUF_SHIFT=17
CONFIG_PHYSICAL_START=0x1000000
CONFIG_ILLEGAL_POINTER_VALUE=0xdead000000000000
'
# Not bad_program_static, which libbpf refuses and this project takes.
for o in $root/examples/*.o $root/testdata/objects/*.o; do
	name=$(basename "$o")
	case $name in
	bad_program_static.o) ;;
	maps_all_types.o) OPEN_ONLY=1 ./oracle "$o" >"../libbpf/$name.txt" ;;
	*) ./oracle "$o" "$o" >"../libbpf/$name.txt" 2>/dev/null ;;
	esac
done
# One access per program, against each set of types.
data=$root/crates/oxbpf-relo/tests/data
for types in "$data"/*.btf; do
	target=$(basename "$types" .btf)
	for p in $(OPEN_ONLY=1 ./oracle "$data/accesses.o" 2>/dev/null | awk '/^prog/ {print $2}'); do
		PROGRAM=$p ./oracle "$data/accesses.o" "$types" >out.txt 2>err.txt
		if grep -q '^load' out.txt; then
			echo "$p"
			awk '/^load/ {f = 1; next} f && /^ *[0-9]+ / {print $2}' out.txt
		else
			echo "$p $(grep '^error' err.txt)"
		fi
	done >"$data/accesses.$target.txt"
done
rm -f out.txt err.txt
