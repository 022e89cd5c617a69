/** What examples/grafana/baton.json asks a Prometheus. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { REPOSITORY } from "./programs.ts";

interface Panel {
  readonly targets: readonly { readonly expr: string }[];
}

/** Its expressions, with Grafana's own variables replaced. */
export function dashboardExpressions(): string[] {
  const path = join(REPOSITORY, "examples", "grafana", "baton.json");
  const { panels, annotations } = JSON.parse(readFileSync(path, "utf8"));
  const expressions: string[] = [
    ...panels.flatMap(({ targets }: Panel) => targets.map(({ expr }) => expr)),
    ...annotations.list.map(({ expr }: { expr: string }) => expr),
  ];
  return expressions.map((expr) => expr.replaceAll(/\$__\w+/g, "5m").replaceAll(/\$\w+/g, ".*"));
}
