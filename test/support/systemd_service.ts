/**
 * A service under a real systemd, from the very unit that `baton init systemd` prints.
 *
 * Its name is unique, its working directory that of the test. What a test changes of the unit goes into a drop-in;
 * what would pull in the machine's own units (the network) is taken out.
 */
import assert from "node:assert/strict";
import { commandLine } from "../../src/init/systemd.ts";
import type { Snapshot } from "../../src/report/snapshot.ts";
import { batonCommand, type CommandResult, runCommand } from "./baton.ts";
import type { RealSystemd } from "./real_systemd.ts";
import type { Runnable } from "./servers.ts";
import { waitUntil } from "./wait_until.ts";

export interface ServiceOptions extends Runnable {
  /** @default "web" */
  readonly name?: string;
  /** Options of `run`. */
  readonly flags?: readonly string[];
  /** Lines for the [Service] section, which win over the unit's. */
  readonly settings?: readonly string[];
  /** Lines of a socket unit's [Socket] section; without it there is none. */
  readonly socket?: readonly string[];
}

export interface Service {
  readonly name: string;
  ctl(verb: string, ...words: string[]): Promise<CommandResult>;
  /** Runs a verb, where anything but success fails the test. @returns the milliseconds that it took */
  succeeds(verb: string): Promise<number>;
  /** SIGKILL to baton alone, until its next one serves. */
  killed(): Promise<void>;
  /** As an administrator calls it, without the environment of the unit. */
  baton(...words: string[]): Promise<CommandResult>;
  status(): Promise<Snapshot>;
  show(...names: string[]): Promise<Record<string, string>>;
  journal(): Promise<string>;
  /** Waits until only the serving generation is alive. */
  settled(): Promise<Snapshot>;
  /** How many descriptors systemd keeps for it. */
  stored(): Promise<number>;
}

/** The text of `baton init systemd`. */
export async function unitText(options: ServiceOptions): Promise<string> {
  const { name = "web", flags = [], command } = options;
  const words = [...batonCommand(), "init", "systemd", "--name", name, ...flags, "--", ...command];
  const { code, stdout, stderr } = await runCommand(words);
  if (code !== 0) throw new Error(`baton init systemd: ${stderr}`);
  return stdout;
}

/** Installs a service; does not start it. */
export async function installService(
  systemd: RealSystemd,
  options: ServiceOptions,
): Promise<Service> {
  const { name = "web", env = {}, settings = [], socket } = options;
  const unit = `${name}.service`;
  const text = (await unitText(options)).replaceAll(/^(Wants|After|StartLimit\w+)=.*\n/gm, "");
  const assignments = Object.entries(env).map(([key, value]) =>
    `Environment=${commandLine([`${key}=${value}`])}`
  );
  await systemd.addUnits({
    [unit]: text,
    [`${unit}.d/test.conf`]: [
      "[Unit]",
      "DefaultDependencies=no",
      "StartLimitIntervalSec=0",
      "[Service]",
      ...assignments,
      ...settings,
      "",
    ].join("\n"),
    ...socket === undefined ? {} : {
      [`${name}.socket`]: ["[Unit]", "DefaultDependencies=no", "[Socket]", ...socket, ""].join(
        "\n",
      ),
    },
  });
  const baton = (...words: string[]) => systemd.run([...batonCommand(), ...words]);
  const service: Service = {
    name,
    ctl: (verb, ...words) => systemd.ctl(verb, ...words, unit),
    succeeds: async (verb) => {
      const startedAt = performance.now();
      const { code, stderr } = await service.ctl(verb);
      const ms = Math.round(performance.now() - startedAt);
      assert.equal(code, 0, `systemctl ${verb}: ${stderr}\n${await service.journal()}`);
      return ms;
    },
    killed: async () => {
      const { MainPID } = await service.show("MainPID");
      await service.ctl("kill", "--kill-who=main", "--signal=KILL");
      await waitUntil(async () => {
        const now = await service.show("MainPID", "ActiveState");
        return now["MainPID"] !== MainPID && now["ActiveState"] === "active";
      }, { what: "systemd has started it again" });
    },
    baton,
    status: async () => JSON.parse((await baton("status", name, "--json")).stdout) as Snapshot,
    show: (...names) => systemd.show(unit, ...names),
    journal: () => systemd.journal(unit),
    settled: () =>
      waitUntil(async () => {
        const snapshot = await service.status();
        const alive = snapshot.generations.filter(({ state }) => state !== "exited");
        return alive.length === 1 && snapshot.epoch !== null ? snapshot : null;
      }, { what: `only one generation of ${name} is alive`, deadlineMs: 30_000 }),
    stored: async () =>
      Number((await service.show("NFileDescriptorStore"))["NFileDescriptorStore"]),
  };
  return service;
}
