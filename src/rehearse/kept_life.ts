/** A life of the service for clients that keep their connections: what becomes of those that never fall silent? */
import { sleep } from "../platform/clock.ts";
import { addressIn } from "./clients.ts";
import { KeptClients } from "./kept_clients.ts";
import type { Kept } from "./plan.ts";
import { RehearsedService } from "./rehearsed_service.ts";
import type { LifeOptions } from "./service_life.ts";

const LOOK_MS = 50;
/** Time in which the clients get used to each copy. */
const REST_MS = 300;

/** @returns null: that has told nothing */
export async function keptLife(life: LifeOptions, at: string): Promise<Kept | null> {
  const { platform, plan, children, options, number } = life;
  const address = addressIn(at);
  if (address === null) return null;
  const service = new RehearsedService(platform, plan, children, life, number);
  const isOver = () => service.exit !== null || (service.status()?.epoch ?? null) !== null;
  await children.until(isOver, plan.startMs, LOOK_MS);
  if (service.exit !== null) return null;
  const clients = new KeptClients(platform, address);
  await sleep(platform.clock, REST_MS);
  const { status } = await service.command(["reload"], plan.startMs + plan.stopMs);
  await service.settled();
  await sleep(platform.clock, REST_MS);
  const counts = await clients.stop(plan.stopMs);
  await service.stop();
  return status === 0 ? { options: [...options], ...counts } : null;
}
