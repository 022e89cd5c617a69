/**
 * What keeps a server in the foreground, by the name of its program: baton follows the process that it has started. Pure.
 * From each server's manual; only what differs from program to program, and what people start in the background.
 */
import { baseName } from "./servers/wrappers.ts";

// deno-fmt-ignore: one program per entry, so that it reads as a table
const ROWS: readonly (readonly [names: string, words: string])[] = [
  ["sshd", "-D"],
  ["squid squid3", "-N or --foreground"],
  ["memcached", "without -d"],
  ["redis-server valkey-server keydb-server redis-sentinel", "daemonize no"],
  ["vsftpd", "background=NO"],
  ["nginx openresty angie", "daemon off;"],
  ["apache2 httpd", "-DFOREGROUND"],
  ["haproxy", "-db, or -W for its master"],
  ["lighttpd", "-D"],
  ["stunnel stunnel4", "foreground = yes"],
  ["dnsmasq", "-k"],
  ["named", "-f"],
  ["unbound nsd", "-d"],
  ["exim exim4", "-bdf"],
  ["proftpd", "-n"],
  ["pure-ftpd", "without -B"],
  ["rsync", "--daemon --no-detach"],
  ["php-fpm", "-F"],
  ["dropbear", "-F"],
  ["slapd", "-d 0"],
  ["xinetd", "-dontfork"],
  ["privoxy", "--no-daemon"],
  ["tinyproxy", "-d"],
  ["sslh", "-f"],
  ["varnishd dovecot", "-F"],
  ["postfix master", "postfix start-fg"],
  ["prosody", "-F"],
  ["inspircd", "--nofork"],
  ["transmission-daemon", "-f"],
  ["mosquitto pgbouncer", "without -d"],
  ["pg_ctl pg_ctlcluster postgres", "postgres -D DIR, without pg_ctl"],
  ["gunicorn hitch nghttpx", "without --daemon"],
  ["unicorn unicorn_rails starman plackup", "without -D"],
  ["uwsgi", "without --daemonize"],
  ["hypnotoad", "-f"],
  ["thin", "without -d"],
  ["icecast icecast2", "without -b"],
  ["snmpd", "-f"],
  ["tor", "RunAsDaemon 0"],
  ["freeradius radiusd", "-f"],
  ["smbd nmbd winbindd", "--foreground"],
  ["cupsd", "-f"],
  ["turnserver", "without -o"],
  ["supervisord", "-n"],
  ["git git-daemon", "git daemon without --detach"],
  ["rabbitmq-server", "without -detached"],
  ["ejabberdctl", "ejabberdctl foreground"],
  ["pm2", "pm2-runtime in place of pm2 start"],
  ["catalina.sh startup.sh", "catalina.sh run"],
];

const ADVICE: ReadonlyMap<string, string> = new Map(
  ROWS.flatMap(([names, words]) => names.split(" ").map((name) => [name, words])),
);

/**
 * @param programs names or paths, the likeliest first
 * @returns "start it in the foreground (sshd: -D)"
 */
export function foregroundAdvice(programs: readonly string[]): string {
  for (const program of programs) {
    const name = baseName(program);
    // `php-fpm8.2` is php-fpm.
    const words = ADVICE.get(name) ?? ADVICE.get(name.replace(/[\d.]+$/, ""));
    if (words !== undefined) return `start it in the foreground (${name}: ${words})`;
  }
  return "start it in the foreground (its manual says how: -f, -F, -D, --foreground or --no-daemon)";
}
