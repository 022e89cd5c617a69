/** A value for each key of [front] that is another than its default. */
import { certificateLines } from "./trial_certificate.ts";

/** Values of the table, without what needs files. */
export const OTHER_VALUES: Readonly<Record<string, string>> = {
  listen: '"127.0.0.1:18080"',
  http3: "true",
  websockets: "false",
  grpc_web: "true",
  request_time: '"30s"',
  idle_stream_time: '"1m"',
  idle_connection_time: '"2m"',
  trusted_proxies: "1",
  access_log: '"/dev/stdout"',
  max_connections: "1000",
  max_heap: '"512M"',
  rate_limit: '"100/s"',
  health_path: '"/front"',
  health_mode: '"cached"',
  health_cache: '"5s"',
  health_minimum: '"40%"',
  upstream: '"http2"',
  load_balancing: '"maglev"',
  sticky: '"header:x-user"',
  connect_time: '"2s"',
  upstream_idle_time: '"4s"',
  panic_percent: '"0%"',
  retry_on: '"connect-failure"',
  retries: "3",
  routes: '["/api/=api", "api.test/=api"]',
  check: '"http:/healthz"',
  check_interval: '"2s"',
  check_timeout: '"500ms"',
  unhealthy_after: "2",
  healthy_after: "3",
  check_identity: '"app"',
  eject_after: "5",
  eject_percent: '"30%"',
  eject_time: '"1m"',
  breaker_connections: "100",
  breaker_requests: "200",
  breaker_pending: "300",
  envoy: '"/opt/envoy"',
};

/** @returns [front] with every line in it, but the ones named */
export function allLines(without: readonly string[] = []): string {
  const lines = Object.entries(OTHER_VALUES).filter(([key]) => !without.includes(key));
  const certificate = without.includes("certificate") ? [] : [certificateLines()];
  return ["[front]", ...certificate, ...lines.map(([key, value]) => `${key} = ${value}`), ""].join(
    "\n",
  );
}
