/** Boots an image under QEMU, without KVM, disk or network, and reads what its guest program reports. */
import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { createInterface } from "node:readline";
import process from "node:process";
import type { Architecture } from "./machine.ts";
import type { Image } from "./parts.ts";

/** Emulated, beside a busy machine. */
const BOOT_LIMIT_MS = 900_000;

const QEMU = {
  amd64: {
    program: "qemu-system-x86_64",
    words: ["-machine", "q35,accel=tcg", "-cpu", "max", "-m", "2200"],
    console: "ttyS0",
  },
  arm64: {
    program: "qemu-system-aarch64",
    words: ["-machine", "virt", "-cpu", "neoverse-n1", "-m", "2600"],
    console: "ttyAMA0",
  },
} as const;

export function emulatorOf(architecture: Architecture): string {
  return QEMU[architecture].program;
}

/** A line of the guest program: the step's id, and what it found. */
export interface Result {
  readonly id: string;
  readonly [field: string]: unknown;
}

export interface Boot {
  readonly results: readonly Result[];
  readonly seconds: number;
  /** The whole console. */
  readonly log: string;
}

/** @param log where the console goes */
export async function boot(architecture: Architecture, image: Image, log: string): Promise<Boot> {
  const { program, words, console } = QEMU[architecture];
  const started = performance.now();
  const machine = spawn(program, [
    ...words,
    ...["-smp", "1", "-nographic", "-no-reboot", "-nic", "none"],
    ...["-kernel", image.kernel, "-initrd", image.initramfs],
    ...["-append", `console=${console} quiet panic=-1 rdinit=/init`],
  ], { stdio: ["ignore", "pipe", "inherit"] });
  const end = () => machine.kill("SIGKILL");
  const interrupt = () => {
    end();
    process.exit(1);
  };
  process.once("SIGTERM", interrupt).once("SIGINT", interrupt).once("exit", end);
  const timer = setTimeout(end, BOOT_LIMIT_MS);
  const file = createWriteStream(log);
  const results: Result[] = [];
  try {
    for await (const line of createInterface({ input: machine.stdout })) {
      file.write(`${line}\n`);
      const [, json] = /^@@ (\{.*\})\s*$/.exec(line) ?? [];
      if (json !== undefined) results.push(JSON.parse(json));
    }
  } finally {
    clearTimeout(timer);
    end();
    process.off("SIGTERM", interrupt).off("SIGINT", interrupt).off("exit", end);
    await new Promise<void>((resolve) => file.end(() => resolve()));
  }
  return { results, log, seconds: Math.round((performance.now() - started) / 1000) };
}
