// What the keeper's server is measured against: `node --expose-gc others.js socketio|ws MESSAGE`.
//
// Obeys lines of JSON on its input: sends the message to everybody, with the moment that is given,
// `at`, as a volume or as a transaction's hash; or collects what is garbage. Ends with its input.
"use strict";

const http = require("node:http");
const readline = require("node:readline");
const { Server } = require("socket.io");
const { WebSocketServer } = require("ws");

const [name, message] = process.argv.slice(2);
const told = JSON.parse(message);
const stamped = {
  snapshot: (at) => ({ ...told, data: { ...told.data, volume: at } }),
  event: (at) => ({ ...told, txHash: "0x" + at.padStart(64, "0") }),
}[told.type];
const server = http.createServer();

function socketio() {
  const io = new Server(server, { transports: ["websocket"], perMessageDeflate: false, serveClient: false });
  io.on("connection", (socket) => socket.join("market"));
  return (event) => io.to("market").emit("event", event);
}

function ws() {
  const wss = new WebSocketServer({ server, perMessageDeflate: false });
  return (event) => {
    const text = JSON.stringify(event);
    for (const client of wss.clients) client.send(text);
  };
}

const send = { socketio, ws }[name]();
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));
readline
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    const wish = JSON.parse(line);
    if (wish.do === "tell") return send(stamped("1" + String(wish.at).padStart(20, "0")));
    global.gc();
    console.log(JSON.stringify({ collected: true }));
  })
  .on("close", () => process.exit(0));
