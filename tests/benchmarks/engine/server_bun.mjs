// Bun with @socket.io/bun-engine. bun server_bun.mjs PORT PING_INTERVAL_SECONDS
import { createRequire } from "node:module";
import { Server as Engine } from "@socket.io/bun-engine";
import { Server } from "socket.io";

const serve = createRequire(import.meta.url)("./rooms.cjs");
const io = new Server();
const engine = new Engine({ path: "/socket.io/", pingInterval: Number(process.argv[3] || 25) * 1000, pingTimeout: 20000 });
io.bind(engine);
serve(io);
const server = Bun.serve({ ...engine.handler(), port: Number(process.argv[2]), hostname: "127.0.0.1" });
console.log("listening " + server.port);
