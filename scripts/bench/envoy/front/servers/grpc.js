// Echoes each message of a gRPC stream. Knows neither baton nor Envoy.
const grpc = require("@grpc/grpc-js");

const same = (bytes) => bytes;
const echo = {
  path: "/bench.Echo/Stream",
  requestStream: true,
  responseStream: true,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
};
const server = new grpc.Server();
server.addService({ stream: echo }, {
  stream: (call) => {
    call.on("data", (message) => call.write(message));
    call.on("end", () => call.end());
    call.on("error", () => {});
  },
});
const address = `127.0.0.1:${process.env.PORT}`;
server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
});
