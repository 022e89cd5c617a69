/** What a server behind a front gets for its bind(2): a private address, or the error that it gets without one. */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { bindPrivately } from "../../../../src/handoff/front/bind_privately.ts";
import type {
  AdoptContext,
  ListenerOwner,
  SocketCall,
} from "../../../../src/handoff/listener_owner.ts";
import { C } from "../../../../src/platform/libc/constants.ts";
import { boundSocket } from "../../../../src/steering/bound_socket.ts";
import { PrivateAddresses } from "../../../../src/steering/front/private_addresses.ts";
import { Listeners } from "../../../../src/steering/listeners.ts";
import type { GroupAddress } from "../../../../src/steering/member.ts";
import { freePort } from "../../../support/free_port.ts";
import { testPlatform } from "../../../support/test_platform.ts";

const CANDIDATE = 1;
const IN_USE = { errno: C.EADDRINUSE };

interface Case {
  readonly what: string;
  /** Where generation 0 serves. */
  readonly serving?: string;
  /** Where generation 1 listens already. */
  readonly own?: string;
  readonly wanted?: string;
  /** The server has set SO_REUSEPORT itself. */
  readonly shares?: boolean;
  /** Whether it is the same socket once more. */
  readonly isBound?: boolean;
  readonly reply: "done" | { readonly errno: number };
}

const CASES: readonly Case[] = [
  { what: "the first", reply: "done" },
  { what: "beside another generation", serving: "127.0.0.1", reply: "done" },
  { what: "at all addresses", serving: "0.0.0.0", wanted: "0.0.0.0", reply: "done" },
  { what: "to see whether it is free", own: "127.0.0.1", reply: IN_USE },
  { what: "at all addresses, having one", own: "127.0.0.1", wanted: "0.0.0.0", reply: IN_USE },
  {
    what: "in one more process that shares the port",
    own: "127.0.0.1",
    shares: true,
    reply: "done",
  },
  { what: "where another generation overlaps", serving: "0.0.0.0", reply: IN_USE },
  { what: "one socket twice", isBound: true, reply: { errno: C.EINVAL } },
];

describe("a bind(2) behind a front", () => {
  for (const { what, serving, own, wanted = "127.0.0.1", shares, isBound, reply } of CASES) {
    test(what, async () => {
      await using platform = await testPlatform();
      const { sockets } = platform;
      const listeners = new Listeners(sockets);
      const fronts = [{ port: null, address: null }];
      const service = `/run/${process.pid}/bind.yaml`;
      const places = new PrivateAddresses(sockets, service, fronts, () => listeners.groups);
      listeners.privateAddresses = places;
      const port = await freePort();
      const at = (host: string): GroupAddress => {
        const rest = { port, scope: 0, v6only: false, boundInterface: 0 };
        return places.behindFront({ family: "inet", host, ...rest })!;
      };
      const listen = (epoch: number, host: string) => {
        const group = listeners.obtain(at(host));
        const options = { epoch, owner: process.pid, backlog: 1, late: false };
        group.takeMember(boundSocket(group, epoch), options);
      };
      const hints: string[] = [];
      // Without a process to look into, all sockets of the own generation are taken to be open.
      const owner = {
        epoch: CANDIDATE,
        worker: 0,
        replacementOf: null,
        leader: process.pid,
        readyTicks: 0,
        processes: () => [],
        onHint: (text: string) => hints.push(text),
      } as unknown as ListenerOwner;
      using socket = sockets.stream("inet");
      if (shares) sockets.setOption(socket, C.SOL_SOCKET, C.SO_REUSEPORT, 1);
      const call = { pid: process.pid, tid: process.pid, socket } as unknown as SocketCall;
      const context = { platform, listeners } as unknown as AdoptContext;
      try {
        if (serving !== undefined) listen(0, serving);
        if (own !== undefined) listen(CANDIDATE, own);
        const address = at(wanted);
        const bind = () => bindPrivately(context, call, owner, { address, places });
        if (isBound) assert.equal(bind(), "done");
        assert.deepEqual(bind(), reply);
        if (reply !== "done") return;
        const bound = sockets.localAddress(socket)!;
        assert.match(`${bound.host}:${bound.port}`, new RegExp(`^127\\.\\d+\\.1\\.\\d+:${port}$`));
        const taken = listeners.groups.flatMap(({ members }) => members.map(({ place }) => place));
        assert.ok(taken.every((place) => place?.host !== bound.host), "no other has it");
        assert.deepEqual(hints, []);
      } finally {
        listeners.close();
      }
    });
  }
});
