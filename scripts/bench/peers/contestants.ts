import type { Contestant } from "./contestant.ts";
import { ENVOY } from "./contestants/envoy.ts";
import { GO } from "./contestants/go.ts";
import { GUNICORN } from "./contestants/gunicorn.ts";
import { HAPROXY } from "./contestants/haproxy.ts";
import { NGINX } from "./contestants/nginx.ts";
import { NODE } from "./contestants/node.ts";
import { PUMA } from "./contestants/puma.ts";

/** Programs in the order of the table: rows of one program stand together, its own way first. */
export const CONTESTANTS: readonly Contestant[] = [
  ...NODE,
  ...GO,
  ...NGINX,
  ...HAPROXY,
  ...ENVOY,
  ...GUNICORN,
  ...PUMA,
];
