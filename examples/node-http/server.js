// An ordinary Node server: it knows nothing of baton, and it has no signal handler.
const { createServer } = require("node:http");
const { basename } = require("node:path");
const process = require("node:process");

const REPORT_MS = 400;

// The folder it was started from is its release.
const release = basename(__dirname);

const server = createServer((request, response) => {
  const answer = () => response.end(`pid=${process.pid} version=${release}\n`);
  if (request.url === "/report") setTimeout(answer, REPORT_MS);
  else answer();
});

server.listen(Number(process.env.PORT ?? 8080), "127.0.0.1");
