#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
"""Writes packets.pcap: one packet for each path through xdpcount and tccount.

The bytes are put together here, with fixed times and addresses, so that the file is the same
wherever it is made: `python3 mkpcap.py > packets.pcap`.
"""
import struct
import sys
from ipaddress import IPv4Address, IPv6Address

CLIENT_MAC, SERVER_MAC = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
CLIENT, SERVER = IPv4Address("10.0.0.1").packed, IPv4Address("10.0.0.2").packed
CLIENT6, SERVER6 = IPv6Address("2001:db8::1").packed, IPv6Address("2001:db8::2").packed
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58


def checksum(data):
    """The Internet checksum: ones' complement of the ones' complement sum of 16-bit words."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(kind, payload, vlan=None):
    tag = struct.pack("!HH", 0x8100, vlan) if vlan is not None else b""
    return SERVER_MAC + CLIENT_MAC + tag + struct.pack("!H", kind) + payload


def ipv4(protocol, payload, options=b""):
    words = 5 + len(options) // 4
    header = struct.pack("!BBHHHBBH", 0x40 | words, 0, words * 4 + len(payload), 1, 0x4000, 64, protocol, 0)
    header += CLIENT + SERVER + options
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def ipv6(protocol, payload):
    return struct.pack("!IHBB", 0x60000000, len(payload), protocol, 64) + CLIENT6 + SERVER6 + payload


def pseudo(protocol, length, v6):
    if v6:
        return CLIENT6 + SERVER6 + struct.pack("!II", length, protocol)
    return CLIENT + SERVER + struct.pack("!HH", protocol, length)


def udp(source, dest, payload, v6=False):
    head = struct.pack("!HHH", source, dest, 8 + len(payload))
    total = checksum(pseudo(UDP, 8 + len(payload), v6) + head + b"\0\0" + payload) or 0xFFFF
    return head + struct.pack("!H", total) + payload


def tcp(source, dest, flags, v6=False):
    head = struct.pack("!HHIIBBH", source, dest, 1000, 0, 5 << 4, flags, 65535)
    return head + struct.pack("!HH", checksum(pseudo(TCP, 20, v6) + head + b"\0\0\0\0"), 0)


def echo(kind, prefix=b""):
    body = struct.pack("!HH", 1, 1) + b"ping"
    total = checksum(prefix + struct.pack("!BBH", kind, 0, 0) + body)
    return struct.pack("!BBH", kind, 0, total) + body


SYN, ACK = 2, 16
PACKETS = [
    ethernet(0x0806, bytes.fromhex("0001080006040001") + CLIENT_MAC + CLIENT + bytes(6) + SERVER),
    ethernet(0x0800, ipv4(ICMP, echo(8))),
    ethernet(0x0800, ipv4(TCP, tcp(40000, 80, SYN))),
    ethernet(0x0800, ipv4(TCP, tcp(40000, 80, ACK))),
    ethernet(0x0800, ipv4(UDP, udp(40001, 53, b"query"))),
    ethernet(0x0800, ipv4(UDP, udp(40002, 9999, b"dropped"))),
    # The options push the ports 4 bytes further.
    ethernet(0x0800, ipv4(UDP, udp(40003, 9999, b"dropped too"), options=b"\x01\x01\x01\x00")),
    ethernet(0x0800, ipv4(UDP, udp(40004, 123, b"tagged")), vlan=7),
    ethernet(0x86DD, ipv6(TCP, tcp(40005, 443, SYN, v6=True))),
    ethernet(0x86DD, ipv6(ICMPV6, echo(128, pseudo(ICMPV6, 12, True)))),
    # The port to drop as the source, over IPv6.
    ethernet(0x86DD, ipv6(UDP, udp(9999, 40006, b"v6", v6=True))),
    # Says IPv4, ends in the middle of the header.
    ethernet(0x0800, ipv4(UDP, b"")[:12]),
    # A protocol that is not counted by name: 47 is GRE.
    ethernet(0x0800, ipv4(47, bytes(4))),
]


def main():
    # Version 2.4, microseconds, whole packets, Ethernet.
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for number, packet in enumerate(PACKETS):
        out += struct.pack("<IIII", 1_700_000_000 + number, number * 1000, len(packet), len(packet)) + packet
    sys.stdout.buffer.write(out)


if __name__ == "__main__":
    main()
