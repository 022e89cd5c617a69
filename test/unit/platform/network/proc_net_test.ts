/** /proc/net, as a 6.18 kernel prints it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parsePassiveOpens, parseTcpRows } from "../../../../src/platform/network/proc_net.ts";

const TCP =
  `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 66319 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F90 0100007F:D3EC 01 00000010:00000000 00:00000000 00000000  1000        0 4294967299 1 0000000000000000 20 4 30 10 -1
   2: 0100007F:1F90 0100007F:D3EE 06 00000000:00000000 03:00000F6B 00000000     0        0 0 3 0000000000000000
`;
const TCP6 = `  sl  local_address                         remote_address   st tx_queue rx_queue tr
   0: 00000000000000000000000001000000:1F91 00000000000000000000000001000000:ABCD 01 00000000:00000005 02:000A 00000000  0 0 77 2 0
`;

describe("parseTcpRows()", () => {
  it("reads ports, states, queues and inodes", () => {
    const [listener, connection, ...rest] = parseTcpRows(TCP, [1, 10]);
    assert.deepEqual(rest, []);
    assert.deepEqual(
      [listener?.localPort, listener?.state, listener?.receiveQueue, listener?.inode],
      [8080, 10, 3, 66319],
    );
    assert.deepEqual(connection, {
      localPort: 8080,
      remote: "0100007F:D3EC",
      state: 1,
      sendQueue: 16,
      receiveQueue: 0,
      uid: 1000,
      inode: 3,
    });
  });

  it("reads IPv6 too, and passes over what it does not know", () => {
    assert.equal(parseTcpRows(TCP6, [1])[0]?.localPort, 8081);
    assert.deepEqual(parseTcpRows("nonsense\n", [1]), []);
  });
});

describe("parsePassiveOpens()", () => {
  it("finds the counter by its name", () => {
    const text = "Ip: a b\nIp: 1 2\nTcp: RtoAlgorithm ActiveOpens PassiveOpens\nTcp: 1 7 42\n";
    assert.equal(parsePassiveOpens(text), 42);
    assert.equal(parsePassiveOpens(""), null);
    assert.equal(parsePassiveOpens("Tcp: ActiveOpens\nTcp: 7\n"), null);
  });
});
