// Opens connections to a port, asks once on each of them, and keeps them open in silence until its input ends.
// kept_clients.cjs PORT COUNT NUMBER, a number for each such process; it prints "open" when all are answered.
const net = require("node:net");
const process = require("node:process");

const [port, count, number] = process.argv.slice(2).map(Number);
const REQUEST = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n";
/** From one address there are 28,000 ports. */
const EACH_ADDRESS = 20_000;
const AT_ONCE = 32;

let opened = 0;
let answered = 0;

function openNext() {
  if (opened === count) return;
  const localAddress = `127.0.${1 + Math.floor(opened / EACH_ADDRESS)}.${1 + number}`;
  opened++;
  const socket = net.connect({ host: "127.0.0.1", port, localAddress });
  socket.on("connect", () => socket.write(REQUEST));
  socket.once("data", () => {
    socket.on("data", () => {});
    answered++;
    if (answered === count) process.stdout.write("open\n");
    else openNext();
  });
  socket.on("error", ({ message }) => {
    // Afterwards it is the server that ends, and its connections with it.
    if (answered === count) return;
    process.stderr.write(`${message}\n`);
    process.exit(1);
  });
}

for (let i = 0; i < AT_ONCE; i++) openNext();
process.stdin.resume().on("end", () => process.exit(0));
