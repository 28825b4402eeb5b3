// A page in Node: node client.cjs URL TRANSPORTS; says what happens, obeys one word a line.
const { io } = require("socket.io-client");
const { createInterface } = require("node:readline");

const [url, transports] = process.argv.slice(2);
const socket = io(url, { transports: transports.split(","), reconnection: false });
const say = (...words) => console.log(JSON.stringify(words));
const act = async (event) => say(event, await socket.timeout(5000).emitWithAck(event, { room: "auction:demo" }));
const report = () => say("transport", socket.io.engine.transport.name);

socket.on("connect", () => {
  report();
  socket.io.engine.on("upgrade", report);
});
createInterface({ input: process.stdin }).on("line", (word) => (word === "close" ? socket.disconnect() : act(word)));
