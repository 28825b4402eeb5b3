// Node's socket.io; with UWS=1 on uWebSockets. node server_node.cjs PORT PING_INTERVAL_SECONDS
const { Server } = require("socket.io");
const serve = require("./rooms.cjs");

const [port, interval] = [Number(process.argv[2]), Number(process.argv[3] || 25)];
const options = { pingInterval: interval * 1000, pingTimeout: 20000, perMessageDeflate: false, serveClient: false, connectionStateRecovery: undefined };
const quiet = { cors: { origin: "*" } };

if (process.env.UWS) {
  const { App, us_socket_local_port } = require("@trufflesuite/uws-js-unofficial");
  const app = App();
  const io = new Server({ ...options, ...quiet });
  io.attachApp(app);
  serve(io);
  app.listen("127.0.0.1", port, (token) => console.log("listening " + us_socket_local_port(token)));
} else {
  const http = require("http").createServer();
  const io = new Server(http, { ...options, ...quiet });
  serve(io);
  http.listen(port, "127.0.0.1", 4096, () => console.log("listening " + http.address().port));
}
