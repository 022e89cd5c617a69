/** What may be the beginning of a TLS connection, with its first answer still owed, and what cannot. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AMBIGUOUS_QUIET_MS } from "../../../src/drain/classify.ts";
import { takeCensus } from "../../../src/drain/connections.ts";
import { portsWithoutTls } from "../../../src/drain/handshake.ts";
import type { TcpSocket, TcpTraffic } from "../../../src/platform/network/sock_diag.ts";

const QUIET_MS = 500;
const PORT = 443;

/** A hello, *finished* and the first request; the server's part and two tickets. Node 20, an ECDSA certificate. */
const BEGUN: TcpTraffic = {
  sinceSentMs: 2_000,
  sinceReceivedMs: 2_004,
  sinceAckMs: 1_960,
  bytesReceived: 560,
  bytesAcked: 1_330,
  segmentsReceived: 3,
  segmentsSent: 3,
};
const PLAIN: TcpTraffic = {
  ...BEGUN,
  bytesReceived: 90,
  bytesAcked: 150,
  segmentsReceived: 1,
  segmentsSent: 1,
};

function socket(traffic: TcpTraffic, inode = 1): TcpSocket {
  const end = { family: "inet", host: "127.0.0.1", port: PORT, scope: 0 } as const;
  const queues = { receiveQueue: 0, sendQueue: 0 };
  return {
    state: 1,
    inode,
    uid: 0,
    boundInterface: 0,
    local: end,
    remote: end,
    ...queues,
    traffic,
  };
}

describe("takeCensus() of what looks like the beginning of a TLS connection", () => {
  const waits = true;
  const late = (ms: number) => ({ ...BEGUN, sinceSentMs: ms, sinceReceivedMs: ms + 4 });
  const cases: [string, TcpTraffic[], boolean][] = [
    ["the server has sent last", [BEGUN], waits],
    ["in one tick, acknowledged later", [{ ...BEGUN, sinceReceivedMs: 2_000 }], waits],
    ["just before the limit", [late(AMBIGUOUS_QUIET_MS - 1)], waits],
    ["silent for long", [late(AMBIGUOUS_QUIET_MS)], !waits],
    ["one request", [PLAIN], !waits],
    ["more segments than a beginning has", [{ ...BEGUN, segmentsReceived: 7 }], !waits],
    ["less than a handshake has come", [{ ...BEGUN, bytesReceived: 249 }], !waits],
    ["less than a handshake was sent", [{ ...BEGUN, bytesAcked: 399 }], !waits],
    ["the server took its time", [{ ...BEGUN, sinceReceivedMs: 2_101 }], !waits],
    ["the port has no TLS", [BEGUN, PLAIN], !waits],
    ["a kernel that does not count", [{ ...BEGUN, segmentsReceived: undefined! }], !waits],
  ];
  for (const [name, all, expected] of cases) {
    it(`${name}: ${expected ? "is waited for" : "is not"}`, () => {
      const { blocking, counts } = takeCensus(all.map((each, i) => socket(each, i + 1)), QUIET_MS);
      assert.equal(blocking.has(1), expected);
      assert.equal(counts.busy, 0);
    });
  }
});

describe("portsWithoutTls()", () => {
  const cases: [string, Partial<TcpTraffic>, boolean][] = [
    ["a request that was answered", {}, true],
    ["and acknowledged a moment ago", { sinceSentMs: 999 }, false],
    ["not answered", { bytesAcked: 0 }, false],
    ["a hello, and the server's part of the handshake", {
      bytesReceived: 330,
      bytesAcked: 800,
    }, false],
    ["two segments", { segmentsReceived: 2 }, false],
  ];
  for (const [name, traffic, expected] of cases) {
    it(`${name}: ${expected ? "none there" : "not known"}`, () => {
      assert.equal(portsWithoutTls([socket({ ...PLAIN, ...traffic })]).has(PORT), expected);
    });
  }

  it("nothing follows from a listener, or from what nothing has accepted", () => {
    assert.equal(portsWithoutTls([socket(PLAIN, 0)]).size, 0);
    assert.equal(portsWithoutTls([{ ...socket(PLAIN), traffic: null }]).size, 0);
  });
});
