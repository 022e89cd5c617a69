/** Socket addresses as tables: text, bytes, and what is refused. RFC 5952, ip(7), ipv6(7), unix(7). */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  decodeAddress,
  encodeAddress,
  encodeUnixPath,
  formatAddress,
  formatHost,
  type InetAddress,
  parseHost,
} from "../../../../src/platform/network/address.ts";
import { parseOwnAddress } from "../../../../src/config/values/listen_spec.ts";
import { TEST_TIMEOUT_MS } from "../../../support/limits.ts";

/** Bytes of eight groups of 16 bits. */
function groups(...values: readonly number[]): Uint8Array {
  return Uint8Array.from(values.flatMap((value) => [value >> 8, value & 0xff]));
}

describe("formatHost() and parseHost()", () => {
  const canonical: [string, Uint8Array][] = [
    ["0.0.0.0", Uint8Array.of(0, 0, 0, 0)],
    ["127.0.0.1", Uint8Array.of(127, 0, 0, 1)],
    ["255.255.255.255", Uint8Array.of(255, 255, 255, 255)],
    ["::", groups(0, 0, 0, 0, 0, 0, 0, 0)],
    ["::1", groups(0, 0, 0, 0, 0, 0, 0, 1)],
    ["1::", groups(1, 0, 0, 0, 0, 0, 0, 0)],
    ["2001:db8::1", groups(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)],
    ["fe80::1:2:3:4", groups(0xfe80, 0, 0, 0, 1, 2, 3, 4)],
    ["1:2:3:4:5:6:7:8", groups(1, 2, 3, 4, 5, 6, 7, 8)],
    ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", groups(...Array(8).fill(0xffff))],
    // 4.2.2: one group of zeros is not shortened.
    ["2001:db8:0:1:1:1:1:1", groups(0x2001, 0xdb8, 0, 1, 1, 1, 1, 1)],
    ["0:1:2:3:4:5:6:7", groups(0, 1, 2, 3, 4, 5, 6, 7)],
    ["1:2:3:4:5:6:7:0", groups(1, 2, 3, 4, 5, 6, 7, 0)],
    // 4.2.3: the longest run; of equal ones the first.
    ["2001:0:0:1::1", groups(0x2001, 0, 0, 1, 0, 0, 0, 1)],
    ["2001:db8::1:0:0:1", groups(0x2001, 0xdb8, 0, 0, 1, 0, 0, 1)],
    ["::1:0:0:0", groups(0, 0, 0, 0, 1, 0, 0, 0)],
    ["1::2:0:0:0", groups(1, 0, 0, 0, 2, 0, 0, 0)],
    // 4.1 and 4.3: no leading zeros, lower case.
    ["abcd:f::d0", groups(0xabcd, 0xf, 0, 0, 0, 0, 0, 0xd0)],
    // 5: what IPv4 looks like on a dual-stack socket, as the kernel and ss(8) write it too.
    ["::ffff:127.0.0.1", groups(0, 0, 0, 0, 0, 0xffff, 0x7f00, 1)],
    ["::ffff:0.0.0.0", groups(0, 0, 0, 0, 0, 0xffff, 0, 0)],
    ["::ffff:0:7f00:1", groups(0, 0, 0, 0, 0xffff, 0, 0x7f00, 1)],
    ["1::ffff:7f00:1", groups(1, 0, 0, 0, 0, 0xffff, 0x7f00, 1)],
  ];
  for (const [text, bytes] of canonical) {
    test(`${text} is written and read`, { timeout: TEST_TIMEOUT_MS }, () => {
      assert.equal(formatHost(bytes), text);
      assert.deepEqual([...parseHost(text)], [...bytes]);
    });
  }

  const accepted: [string, string][] = [
    ["0:0:0:0:0:0:0:0", "::"],
    ["::0", "::"],
    ["0::", "::"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
    ["2001:0DB8::00A0", "2001:db8::a0"],
    ["::ffff:7f00:1", "::ffff:127.0.0.1"],
    ["::FFFF:255.255.255.255", "::ffff:255.255.255.255"],
    ["::1.2.3.4", "::102:304"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["1:2:3:4:5:6:7.8.9.10", "1:2:3:4:5:6:708:90a"],
  ];
  for (const [text, same] of accepted) {
    test(`${text} is read as ${same}`, { timeout: TEST_TIMEOUT_MS }, () => {
      assert.equal(formatHost(parseHost(text)), same);
    });
  }

  const refused = [
    "",
    "localhost",
    "256.0.0.1",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.-4",
    " 1.2.3.4",
    "1.2.3.4\n",
    "0x7f.0.0.1",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4::5:6:7:8",
    "12345::",
    "g::1",
    "::1%eth0",
    "[::1]",
    "::1.2.3",
    "::1.2.3.256",
    "1:2:3:4:5:6:7:1.2.3.4",
    ":1::",
    "1:2:3:4:5:6:7:",
  ];
  for (const text of refused) {
    test(`${JSON.stringify(text)} is refused`, { timeout: TEST_TIMEOUT_MS }, () => {
      assert.throws(() => parseHost(text), { name: "RangeError", message: /as an IP address$/ });
    });
  }

  test("agree with --listen on the canonical text", { timeout: TEST_TIMEOUT_MS }, () => {
    for (const host of ["::1", "2001:DB8:0:0:1:0:0:1", "0:1::", "0:0:0:0:0:0:0:0"]) {
      assert.equal(parseOwnAddress(`[${host}]:80`, "").host, formatHost(parseHost(host)), host);
    }
  });
});

describe("encodeAddress() and decodeAddress()", () => {
  const cases: [InetAddress, string, number[]][] = [
    [
      { family: "inet", host: "127.0.0.1", port: 80, scope: 0 },
      "127.0.0.1:80",
      [2, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
    ],
    [
      { family: "inet", host: "0.0.0.0", port: 65535, scope: 0 },
      "0.0.0.0:65535",
      [2, 0, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ],
    [
      { family: "inet6", host: "::1", port: 8080, scope: 0 },
      "[::1]:8080",
      [10, 0, 31, 144, 0, 0, 0, 0, ...Array(15).fill(0), 1, 0, 0, 0, 0],
    ],
    [
      { family: "inet6", host: "fe80::2", port: 1, scope: 3 },
      "[fe80::2]:1",
      [10, 0, 0, 1, 0, 0, 0, 0, 0xfe, 0x80, ...Array(13).fill(0), 2, 3, 0, 0, 0],
    ],
  ];
  for (const [address, text, bytes] of cases) {
    test(`${text} is a sockaddr and back`, { timeout: TEST_TIMEOUT_MS }, () => {
      assert.deepEqual([...encodeAddress(address)], bytes);
      assert.deepEqual(decodeAddress(Uint8Array.from(bytes)), address);
      assert.equal(formatAddress(address), text);
    });
  }

  test("a sockaddr is read at any place of a buffer", { timeout: TEST_TIMEOUT_MS }, () => {
    const address: InetAddress = { family: "inet6", host: "::1", port: 443, scope: 0 };
    const padded = new Uint8Array(40).fill(0xee);
    padded.set(encodeAddress(address), 7);
    assert.deepEqual(decodeAddress(padded.subarray(7, 35)), address);
  });

  const short: [string, number[], InetAddress | null][] = [
    ["nothing", [], null],
    ["one byte", [2], null],
    ["a family alone", [2, 0], null],
    ["IPv4 cut short", [2, 0, 0, 80, 127, 0, 0], null],
    ["IPv4 without its padding", [2, 0, 0, 80, 127, 0, 0, 1], {
      family: "inet",
      host: "127.0.0.1",
      port: 80,
      scope: 0,
    }],
    ["IPv6 cut short", [10, 0, 0, 80, ...Array(19).fill(0)], null],
    ["IPv6 of RFC 2133, without a scope", [10, 0, 0, 80, ...Array(20).fill(0)], {
      family: "inet6",
      host: "::",
      port: 80,
      scope: 0,
    }],
    ["AF_UNIX", [1, 0, 47, 120, 0, 0, 0, 0], null],
    ["AF_UNSPEC", Array(28).fill(0), null],
  ];
  for (const [name, bytes, expected] of short) {
    test(`${name} is ${expected === null ? "no address" : "an address"}`, {
      timeout: TEST_TIMEOUT_MS,
    }, () => assert.deepEqual(decodeAddress(Uint8Array.from(bytes)), expected));
  }

  test("a host that is no address is refused", { timeout: TEST_TIMEOUT_MS }, () => {
    const address = { family: "inet", host: "example.org", port: 80, scope: 0 } as const;
    assert.throws(() => encodeAddress(address), /Cannot read "example.org" as an IP address/);
  });
});

describe("encodeUnixPath()", () => {
  test("ends the path with a NUL", { timeout: TEST_TIMEOUT_MS }, () => {
    assert.deepEqual([...encodeUnixPath("/a")], [1, 0, 47, 97, 0]);
  });

  test("takes 107 bytes and refuses 108, counted in UTF-8", { timeout: TEST_TIMEOUT_MS }, () => {
    assert.equal(encodeUnixPath("x".repeat(107)).length, 110);
    assert.throws(() => encodeUnixPath("x".repeat(108)), {
      name: "RangeError",
      message: /as a socket path: 108 bytes, at most 107 fit$/,
    });
    assert.equal(encodeUnixPath("\u00e9".repeat(53)).length, 2 + 106 + 1);
    assert.throws(() => encodeUnixPath("\u00e9".repeat(54)), /108 bytes, at most 107 fit$/);
  });

  test("refuses a NUL", { timeout: TEST_TIMEOUT_MS }, () => {
    assert.throws(() => encodeUnixPath("\0abstract"), TypeError);
  });
});
