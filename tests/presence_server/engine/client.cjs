// A real Socket.IO client: node client.cjs URL TRANSPORTS; prints what it sees, obeys words on stdin.
const { io } = require("socket.io-client");

const [url, transports] = process.argv.slice(2);
const socket = io(url, { transports: transports.split(","), reconnectionDelay: 20, reconnectionDelayMax: 50 });
const say = (...words) => console.log(JSON.stringify(words));

socket.on("connect", () => say("connect", socket.id));
socket.on("connect_error", (error) => say("connect_error", error.message));
socket.on("disconnect", (reason) => say("disconnect", reason));
socket.on("n", (...data) => say("n", ...data.map((d) => (Buffer.isBuffer(d) ? { hex: d.toString("hex") } : d))));
socket.on("question", (answer) => answer("answer", 42));
socket.io.on("open", () => {
  socket.io.engine.on("upgrade", () => say("upgrade"));
});

let rest = "";
process.stdin.on("data", (chunk) => {
  rest += chunk;
  const lines = rest.split("\n");
  rest = lines.pop();
  for (const line of lines) {
    if (line === "echo") socket.emit("echo", { a: [1, "ü"] }, Buffer.from([1, 2]), (...back) => say("ack", back[0], Buffer.from(back[1]).toString("hex")));
    else if (line === "leave") socket.disconnect();
    else if (line === "drop") socket.io.engine.close();
    else if (line === "exit") process.exit(0);
  }
});
