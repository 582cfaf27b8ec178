// What the keeper's server is measured against: `node others.js socketio|ws MESSAGE`.
//
// Obeys `tell` on its input: sends the message, with the time of sending as its transaction's
// hash, to everybody. Ends with its input.
"use strict";

const http = require("node:http");
const readline = require("node:readline");
const { Server } = require("socket.io");
const { WebSocketServer } = require("ws");

const [name, message] = process.argv.slice(2);
const told = JSON.parse(message);
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
  .on("line", () => {
    const now = process.hrtime.bigint(); // CLOCK_MONOTONIC
    send({ ...told, txHash: "0x" + now.toString(16).padStart(64, "0") });
  })
  .on("close", () => process.exit(0));
