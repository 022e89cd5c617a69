/** A state that is written again and again: the last one that is whole is found, whatever became of its writer. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { newestOf, readSlots, SLOT_SIZE, SlotFile } from "../../src/systemd/slot_file.ts";
import { FdStore, fdStoreSize, understandStored } from "../../src/systemd/fd_store.ts";
import { NotifyClient } from "../../src/systemd/notify_client.ts";
import { testPlatform } from "../support/test_platform.ts";

const HEADER_SIZE = 64;

describe("SlotFile", () => {
  test("the newest text is found, short or long", async () => {
    await using platform = await testPlatform();
    const file = new SlotFile(platform);
    using fd = file.fd;
    assert.equal(readSlots(fd), null, "nothing was written");
    for (const text of ["first", "a longer one, in \u{dc}nicode", "", "x".repeat(70_000), "y"]) {
      file.write(text);
      assert.equal(readSlots(fd)?.text, text);
    }
    assert.equal(readSlots(fd)?.number, 5);
  });

  test("a text that was not written whole leaves the one before", async () => {
    await using platform = await testPlatform();
    const file = new SlotFile(platform);
    using fd = file.fd;
    file.write("old");
    file.write("the newest text");
    // The second text is in the first place. Its last bytes never came.
    const lost = new Uint8Array(4);
    platform.descriptors.writeAt(fd, lost, HEADER_SIZE + "the newest text".length - 4);
    assert.deepEqual(readSlots(fd), { number: 1, text: "old" });
    platform.descriptors.writeAt(fd, new TextEncoder().encode("3 2 1"), SLOT_SIZE);
    assert.equal(readSlots(fd), null, "a header that was not written whole");
  });

  test("a text that is too long is refused, and the one before stays", async () => {
    await using platform = await testPlatform();
    const file = new SlotFile(platform);
    using fd = file.fd;
    file.write("good");
    assert.throws(() => file.write("x".repeat(SLOT_SIZE)), /Cannot keep a state of 1048576 bytes/);
    assert.equal(readSlots(fd)?.text, "good");
  });

  test("of several files the newest text counts", () => {
    const texts = [{ number: 7, text: "b" }, null, { number: 9, text: "c" }];
    assert.equal(newestOf(texts)?.text, "c");
    assert.equal(newestOf([null]), null);
  });
});

describe("FdStore", () => {
  test("a state is found again by the next process, until the service has ended", async () => {
    await using platform = await testPlatform();
    const store = new FdStore(platform, new NotifyClient(platform, undefined));
    store.save("one");
    store.save("two");
    const [[name, fd] = ["", null]] = store.payload;
    assert.ok(fd !== null);
    const again = () => {
      const stored = new Map([[name, platform.descriptors.duplicate(fd)]]);
      return understandStored(stored).state;
    };
    assert.equal(again(), "two");
    const copy = platform.descriptors.duplicate(fd);
    store.end();
    assert.equal(understandStored(new Map([[name, copy]])).state, null);
  });

  const sizes: [env: Record<string, string>, size: number][] = [
    [{}, 0],
    [{ FDSTORE: "512" }, 0],
    [{ NOTIFY_SOCKET: "/run/n", FDSTORE: "512" }, 512],
    [{ NOTIFY_SOCKET: "/run/n", FDSTORE: "0" }, 0],
    [{ NOTIFY_SOCKET: "/run/n", FDSTORE: "many" }, 0],
  ];
  for (const [env, size] of sizes) {
    test(`${JSON.stringify(env)}: ${size}`, () => assert.equal(fdStoreSize(env), size));
  }
});
