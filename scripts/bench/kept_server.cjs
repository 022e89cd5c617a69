// A server of node:http that keeps the connections of its clients open, as many as they like.
const http = require("node:http");
const process = require("node:process");

const server = http.createServer((_request, response) => response.end("here\n"));
server.keepAliveTimeout = 0;
server.listen({ port: Number(process.env.PORT), host: "127.0.0.1", backlog: 4096 });
