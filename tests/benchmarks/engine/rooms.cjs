// The benchmark's conversation for the JavaScript servers: rooms, acks, coalesced updates.
module.exports = function serve(io) {
  const rooms = new Map();
  const dirty = new Set();
  const update = (room, t) => {
    const count = rooms.get(room)?.size ?? 0;
    io.to(room).emit("viewerCountUpdate", count, { room, viewerCount: count, t });
  };
  const changed = (room) => {
    if (dirty.has(room)) return;
    dirty.add(room);
    setTimeout(() => {
      dirty.delete(room);
      update(room, 0);
    }, 100);
  };
  io.on("connection", (socket) => {
    const mine = [];
    const silent = [];
    const leave = (room) => {
      const members = rooms.get(room);
      members.delete(socket.id);
      if (!members.size) rooms.delete(room);
      return members.size;
    };
    socket.on("join", (data, ack) => {
      let members = rooms.get(data.room);
      if (!members) rooms.set(data.room, (members = new Set()));
      if (!members.has(socket.id)) {
        members.add(socket.id);
        if (data.quiet) silent.push(data.room);
        else mine.push(data.room);
        socket.join(data.room);
        if (!data.quiet) changed(data.room);
      }
      ack({ ok: true, viewerCount: members.size });
    });
    socket.on("bump", (data) => update(data.room, data.t));
    socket.on("disconnect", () => {
      silent.forEach(leave);
      for (const room of mine) if (leave(room)) changed(room);
    });
  });
};
