/* The floor: the same conversation as the benchmark's servers, for the load generator alone, with nothing around the
 * system calls. No checks, no heartbeats, no HTTP but the upgrade; rooms are plain arrays. floor PORT, 127.0.0.1 only.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FD = 60000, MAX_ROOM = 60000 };

typedef struct { int open, quiet, room_count, *rooms; } Client;
typedef struct { int count, size, *fds; double flush_at; } Room;

static Client clients[MAX_FD];
static Room room_of[MAX_ROOM];
static int dirty[MAX_ROOM], dirty_count;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void say(int fd, const char *text) {
    char out[512];
    size_t n = strlen(text), head = n < 126 ? 2 : 4;
    out[0] = (char)0x81;
    if (n < 126) out[1] = (char)n;
    else out[1] = 126, out[2] = (char)(n >> 8), out[3] = (char)n;
    memcpy(out + head, text, n);
    send(fd, out, head + n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void update(int number, const char *t) {
    char text[256];
    Room *room = &room_of[number];
    snprintf(text, sizeof text, "42[\"viewerCountUpdate\",%d,{\"room\":\"auction:%d\",\"viewerCount\":%d,\"t\":%s}]",
             room->count, number, room->count, t);
    for (int i = 0; i < room->count; i++) say(room->fds[i], text);
}

static void changed(int number) {
    if (room_of[number].flush_at > 0) return;
    room_of[number].flush_at = now() + 0.1;
    dirty[dirty_count++] = number;
}

static void join(int fd, int number, int quiet) {
    Room *room = &room_of[number];
    Client *c = &clients[fd];
    if (room->count == room->size) {
        room->size = room->size ? room->size * 2 : 1;
        room->fds = realloc(room->fds, sizeof(int) * (size_t)room->size);
    }
    room->fds[room->count++] = fd;
    c->rooms = realloc(c->rooms, sizeof(int) * (size_t)(c->room_count + 1));
    c->rooms[c->room_count++] = number;
    c->quiet = quiet;
    if (!quiet) changed(number);
}

static void leave(int fd) {
    Client *c = &clients[fd];
    for (int k = 0; k < c->room_count; k++) {
        Room *room = &room_of[c->rooms[k]];
        for (int i = 0; i < room->count; i++)
            if (room->fds[i] == fd) { room->fds[i] = room->fds[--room->count]; break; }
        if (room->count && !c->quiet) changed(c->rooms[k]);
    }
    free(c->rooms);
    memset(c, 0, sizeof *c);
    close(fd);
}

static void event(int fd, char *text) {
    char answer[128], *room = strstr(text, "auction:"), *t = strstr(text, "\"t\":");
    int number = room ? atoi(room + 8) : 0;
    if (strstr(text, "\"join\"")) {
        join(fd, number, strstr(text, "true") != NULL);
        snprintf(answer, sizeof answer, "43%d[{\"ok\":true,\"viewerCount\":%d}]", atoi(text + 2), room_of[number].count);
        say(fd, answer);
    } else if (t) {
        t[4 + strcspn(t + 4, "}")] = 0;
        update(number, t + 4);
    }
}

static void received(int fd, char *data, size_t n) {
    size_t at = 0;
    if (!clients[fd].open) {
        static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        clients[fd].open = 1;
        send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL);
        say(fd, "0{\"sid\":\"floor\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":65536}");
        return;
    }
    while (at + 6 <= n) {
        size_t length = (unsigned char)data[at + 1] & 127, head = 6;
        char text[512];
        if (length == 126) length = ((unsigned char)data[at + 2] << 8) | (unsigned char)data[at + 3], head = 8;
        if (at + head + length > n || length >= sizeof text) return;
        for (size_t i = 0; i < length; i++) text[i] = data[at + head + i] ^ data[at + head - 4 + (i & 3)];
        text[length] = 0;
        if (text[0] == '4' && text[1] == '0') say(fd, "40{\"sid\":\"floor\"}");
        else if (text[0] == '4') event(fd, text);
        at += head + length;
    }
}

int main(int argc, char **argv) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poll_fd = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[512];
    static char buffer[1 << 18];
    at.sin_port = htons(argc > 1 ? atoi(argv[1]) : 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (void *)&at, sizeof at) || listen(listener, 4096)) return 1;
    getsockname(listener, (void *)&at, &size);
    printf("listening %d\n", ntohs(at.sin_port));
    fflush(stdout);
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(poll_fd, events, 512, dirty_count ? 10 : -1);
        double time = now();
        for (int k = 0; k < n; k++) {
            int fd = events[k].data.fd;
            if (fd == listener) {
                while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                    event.data.fd = fd;
                    epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
                }
            } else {
                ssize_t got = recv(fd, buffer, sizeof buffer, 0);
                if (got > 0) received(fd, buffer, (size_t)got);
                else leave(fd);
            }
        }
        for (int k = 0; k < dirty_count;) {
            if (room_of[dirty[k]].flush_at > time) { k++; continue; }
            room_of[dirty[k]].flush_at = 0;
            update(dirty[k], "0");
            dirty[k] = dirty[--dirty_count];
        }
    }
}
