/** When a front writes its files, and what stands in them: as the listeners are steered, and as another baton comes and goes. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, test } from "node:test";
import { EndpointFile } from "../../../src/front/endpoint_file.ts";
import { Front } from "../../../src/front/front.ts";
import type { FrontedAddress } from "../../../src/steering/front/endpoints.ts";
import type { Listeners } from "../../../src/steering/listeners.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { endpointsIn } from "../../support/fake_front.ts";
import { tempDir } from "../../support/temp_dir.ts";
import { testPlatform } from "../../support/test_platform.ts";

type Hold = "nothing" | "order" | "order and program";

/** A service at two ports, whose generations are in the order of their epochs. */
async function scene(settings: readonly { port: number | null }[] = [{ port: null }]) {
  const clock = new FakeClock();
  const platform = await testPlatform(clock);
  const dir = tempDir();
  const played = {
    servingEpoch: null as number | null,
    epochs: [] as number[],
    hold: "nothing" as Hold,
    onFrontChange: null as (() => void) | null,
    get groups() {
      return [{ hold: "nothing" }, { hold: this.hold }];
    },
    frontEndpoints(planned: number | null): FrontedAddress[] {
      const receiving = planned ?? this.servingEpoch;
      return [3000, 4000].map((port) => ({
        text: `127.0.0.1:${port}`,
        port,
        endpoints: this.epochs.map((epoch) => ({
          epoch,
          worker: 0,
          address: { host: `127.66.${epoch}.1`, port },
          state: epoch === receiving
            ? "receiving"
            : receiving !== null && epoch < receiving
            ? "left"
            : "candidate",
          percent: null,
        })),
      }));
    },
  };
  const files = settings.map((_, index) => dir.join(`${index}.yaml`));
  const said: string[] = [];
  const say = (text: string) => void said.push(text);
  const make = () =>
    new Front({
      platform,
      listeners: played as unknown as Listeners,
      service: "web",
      specs: settings.map(({ port }, index) => ({
        file: files[index]!,
        cluster: null,
        port,
        admins: [],
        acks: 0,
        timeoutMs: 1_000,
      })),
      log: say,
      warn: say,
      logError: say,
    });
  /** "3 DRAINING 3000, 4 HEALTHY 3000": the generation shows in its address. */
  const shown = (index = 0) =>
    endpointsIn(files[index]!)
      .map(({ host, health, port }) => `${host.split(".")[2]} ${health} ${port}`).join(", ");
  const front = make();
  const isEmpty = (index = 0) => shown(index) === "";
  const end = async () => {
    front.close(false);
    await platform.close();
    dir[Symbol.dispose]();
  };
  return { clock, dir, played, files, said, front, make, shown, isEmpty, end };
}

/** Generation 3 serves, and is in the file. */
async function serving(settings?: Parameters<typeof scene>[0]) {
  const made = await scene(settings);
  Object.assign(made.played, { servingEpoch: 3, epochs: [3] });
  made.front.begin(true);
  return made;
}

describe("Front", () => {
  test("makes a file without endpoints before anything serves", async () => {
    const { files, front, isEmpty, end } = await scene();
    assert.equal(existsSync(files[0]!), false);
    front.begin(false);
    assert.equal(isEmpty(), true);
    await end();
  });

  test("takes out what an earlier baton has left, if its servers are dead", async () => {
    for (const isFresh of [false, true]) {
      const { played, make, shown, end } = await serving();
      Object.assign(played, { servingEpoch: null, epochs: [] });
      const next = make();
      next.begin(isFresh);
      assert.equal(shown(), isFresh ? "" : "3 HEALTHY 3000");
      next.close(false);
      await end();
    }
  });

  test("follows what the listeners are steered to, several changes at once", async () => {
    const { played, shown, end } = await serving();
    assert.equal(shown(), "3 HEALTHY 3000");
    for (const epochs of [[3], [3, 4]]) {
      Object.assign(played, { servingEpoch: 4, epochs });
      played.onFrontChange?.();
    }
    assert.equal(shown(), "3 HEALTHY 3000", "when the step is over");
    await Promise.resolve();
    assert.equal(shown(), "3 DRAINING 3000, 4 HEALTHY 3000");
    played.epochs = [4];
    played.onFrontChange?.();
    await Promise.resolve();
    assert.equal(shown(), "4 HEALTHY 3000");
    await end();
  });

  test("writes for each address its own file", async () => {
    for (
      const [settings, expected] of [
        [[{ port: null }], ["3 HEALTHY 3000"]],
        [[{ port: 4000 }], ["3 HEALTHY 4000"]],
        [[{ port: 4000 }, { port: null }], ["3 HEALTHY 4000", "3 HEALTHY 3000"]],
        [[{ port: 3000 }, { port: null }], ["3 HEALTHY 3000", "3 HEALTHY 4000"]],
        [[{ port: 5000 }], [""]],
      ] as const
    ) {
      const { shown, end } = await serving(settings);
      assert.deepEqual(settings.map((_, index) => shown(index)), expected);
      await end();
    }
  });

  test("leaves the files alone while another baton steers, and writes them when it does no more", async () => {
    const { played, files, front, shown, make, end } = await serving();
    played.hold = "order and program";
    Object.assign(played, { servingEpoch: 4, epochs: [3, 4] });
    front.update();
    assert.equal(shown(), "3 HEALTHY 3000");
    // The other one has written something else, which this one does not know.
    const other = make();
    other.files[0]!.set([]);
    assert.equal(shown(), "");
    played.hold = "order";
    Object.assign(played, { servingEpoch: 3, epochs: [3] });
    front.update();
    assert.equal(shown(), "3 HEALTHY 3000", "as it was, and written again");
    assert.ok(existsSync(files[0]!));
    other.close(false);
    await end();
  });

  test("asks nothing in a takeover: the files follow the switch", async () => {
    const { played, front, shown, end } = await serving();
    played.hold = "order and program";
    played.epochs = [3, 4];
    const reason = await new Promise((resolve) =>
      front.admit({ epoch: 4, leads: true, isShared: false }, resolve)
    );
    assert.deepEqual([reason, shown()], [null, "3 HEALTHY 3000"]);
    await end();
  });

  test("forgets a candidate that ends otherwise, and one that serves", async () => {
    for (
      const [epochs, servingEpoch, expected] of [
        [[3], 3, "3 HEALTHY 3000"],
        [[3, 4], 4, "3 DRAINING 3000, 4 HEALTHY 3000"],
      ] as const
    ) {
      const { played, front, shown, end } = await serving();
      played.epochs = [3, 4];
      const admitted = new Promise((resolve) =>
        front.admit({ epoch: 4, leads: true, isShared: false }, resolve)
      );
      assert.equal(await admitted, null);
      assert.equal(shown(), "3 DRAINING 3000, 4 HEALTHY 3000", "before the switch");
      Object.assign(played, { epochs, servingEpoch });
      front.afterStep([
        { epoch: 3, outcome: servingEpoch === 3 ? null : "superseded" },
        { epoch: 4, outcome: servingEpoch === 4 ? null : "failed" },
      ]);
      front.update();
      assert.equal(shown(), expected);
      await end();
    }
  });

  test("a generation is left when the file says so, and it has been read by then", async () => {
    const { clock, played, front, end } = await serving();
    assert.equal(front.hasLeft(3), false);
    Object.assign(played, { servingEpoch: 4, epochs: [3, 4] });
    front.update();
    await clock.advance(1);
    assert.equal(front.hasLeft(3), false, "none says whether it has read it");
    await clock.advance(1_000);
    assert.deepEqual([front.hasLeft(3), front.hasLeft(4), front.hasLeft(3, 1)], [
      true,
      false,
      true,
    ]);
    await end();
  });

  test("a generation is left by another baton's file, too", async () => {
    const { clock, played, front, make, end } = await serving();
    played.hold = "order and program";
    assert.equal(front.hasLeft(3), false);
    const other = make();
    other.files[0]!.set([]);
    assert.equal(front.hasLeft(3), false, "Envoys may not have read it yet");
    await clock.advance(1_200);
    assert.equal(front.hasLeft(3), true);
    other.close(false);
    await end();
  });

  test("a service that ends leaves first: alone it is taken out, beside others it is DRAINING", async () => {
    for (const isShared of [false, true]) {
      const { clock, front, shown, dir, end } = await serving();
      const owner = { service: "other", host: "there" };
      const address = { host: "127.66.9.1", port: 3000 };
      const others = { address, isHealthy: true, weight: 1, epoch: 0, worker: 0 };
      const platform = front.options.platform;
      const path = dir.join("0.yaml");
      const file = new EndpointFile(platform, { path, cluster: "web", owner, warn: () => {} });
      if (isShared) file.write([others]);
      front.leave();
      assert.equal(shown(), isShared ? "9 HEALTHY 3000, 3 DRAINING 3000" : "");
      assert.equal(front.hasLeft(3), false);
      await clock.advance(1);
      await clock.advance(1_000);
      assert.equal(front.hasLeft(3), true);
      await end();
    }
  });

  test("says once that nothing listens behind a file", async () => {
    for (
      const [port, text] of [[5000, /0\.yaml has no endpoint: .*at port 5000/], [
        3000,
        null,
      ]] as const
    ) {
      const { front, said, end } = await serving([{ port }]);
      front.update();
      if (text === null) assert.deepEqual(said, []);
      else assert.match(said.join("|"), text);
      assert.ok(said.length <= 1);
      await end();
    }
  });

  test("the end of the service takes its endpoints out; another baton's turn does not", async () => {
    for (const isEnd of [true, false]) {
      const { front, shown, played, end } = await serving();
      front.close(isEnd);
      assert.equal(shown(), isEnd ? "" : "3 HEALTHY 3000");
      assert.equal(played.onFrontChange, null);
      front.update();
      assert.equal(shown(), isEnd ? "" : "3 HEALTHY 3000", "nothing more is written");
      await end();
    }
  });
});
