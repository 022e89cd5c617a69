// A server of node:http that keeps the connections of its clients open, as many as they like; in WORKERS processes, since a
// process has a limit of open files.
const cluster = require("node:cluster");
const http = require("node:http");
const process = require("node:process");

const workers = Number(process.env.WORKERS ?? 1);
if (workers > 1 && cluster.isPrimary) {
  cluster.schedulingPolicy = cluster.SCHED_RR;
  for (let i = 0; i < workers; i++) cluster.fork();
} else {
  const server = http.createServer((_request, response) => response.end("here\n"));
  server.keepAliveTimeout = 0;
  server.listen({ port: Number(process.env.PORT), host: "127.0.0.1", backlog: 4096 });
}
