# A jump table, which clang writes from version 21 on, and two names for one function.
# llvm-mc-19 -triple=bpfel -filetype=obj jumptable.s -o jumptable.o
	.section raw_tp,"ax",@progbits
	.globl jumper
	.type jumper,@function
jumper:
	r1 = table ll
	call .text
	call other
	r0 = 0
	exit
	.size jumper, .-jumper

	.text
	.globl one
	.type one,@function
	.globl other
	.type other,@function
one:
other:
	r0 = 1
	exit
	.size one, .-one
	.size other, .-other

	.section .jumptables,"",@progbits
	.quad 0
	.type table,@object
table:
	.quad 24
	.quad 32
	.size table, 16

	.section license,"aw",@progbits
	.asciz "GPL"
