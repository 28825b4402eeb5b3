/* The load generator: many websocket Socket.IO clients in one thread, driven by commands on stdin.
 *
 *   load PORT
 *   open N ROOMS QUIET JOINS   connect N more clients; client i joins JOINS rooms out of ROOMS; answers when all are in
 *   bump K                     K updates to room 0, each awaited by all its members
 *   delay K PER_SECOND         K updates to room 0 at this pace; whenever all of one have arrived, the newest client,
 *                              which is to be alone in its room, sends itself updates, one every millisecond: what the
 *                              same machine does to a single update in the same seconds
 *   flip K PER_SECOND          the first client leaves its room and joins it again, K times at this pace
 *   churn N                    N times: close the oldest client, open and join a new one in its place
 *   shut                       close all clients
 *   idle SECONDS               answer pings and nothing else
 *   quit
 *
 * Each command prints one line: "done" and figures as name=value. It verifies nothing of the WebSocket handshake but
 * its status. 127.0.0.1 only.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX = 60000, WINDOW = 64, BUFFER = 1 << 18 };
enum { NONE, CONNECTING, UPGRADING, OPENING, NAMING, JOINING, READY };

typedef struct {
    int fd, state, acks, joins;
    unsigned room;
    char *rest;
    size_t rest_len;
} Client;

static Client clients[MAX];
static int port, poll_fd, count, ready, failed, in_progress;
static int rooms = 1, quiet, joins = 1;
static long delivered, pings;
static char buffer[BUFFER + 65536];

typedef struct { double *seconds; long count, room; } Samples;
static Samples delays, probes;
static int probing = -1; /* the client whose updates are probes */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static double cpu(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void drop(int i) {
    Client *c = &clients[i];
    if (c->state == NONE) return;
    close(c->fd);
    free(c->rest);
    if (c->state == READY) ready--;
    else in_progress--;
    memset(c, 0, sizeof *c);
}

static void put(int fd, const char *data, size_t length) {
    if (send(fd, data, length, MSG_NOSIGNAL) != (ssize_t)length) failed++;
}

/* A masked text frame; the mask is zero, which masks nothing and is still a mask. */
static void say(int fd, const char *text) {
    char out[512];
    size_t n = strlen(text), head = n < 126 ? 2 : 4;
    out[0] = (char)0x81;
    if (n < 126) out[1] = (char)(0x80 | n);
    else out[1] = (char)(0x80 | 126), out[2] = (char)(n >> 8), out[3] = (char)n;
    memset(out + head, 0, 4);
    memcpy(out + head + 4, text, n);
    put(fd, out, head + 4 + n);
}

static void begin(int i, unsigned room) {
    Client *c = &clients[i];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.u32 = i};
    int one = 1;
    memset(c, 0, sizeof *c);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0) { failed++; return; }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->room = room;
    c->joins = joins;
    c->state = CONNECTING;
    in_progress++;
    if (connect(c->fd, (void *)&to, sizeof to) < 0 && errno != EINPROGRESS) { failed++; drop(i); return; }
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &event);
}

static void connected(int i) {
    static const char request[] =
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: load\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n";
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
    epoll_ctl(poll_fd, EPOLL_CTL_MOD, clients[i].fd, &event);
    clients[i].state = UPGRADING;
    put(clients[i].fd, request, sizeof request - 1);
}

static void reserve(Samples *s, long room) {
    s->seconds = realloc(s->seconds, sizeof(double) * (size_t)(room + 1));
    s->room = room;
    s->count = 0;
}

static void note(Samples *s, double seconds) {
    if (s->count < s->room) s->seconds[s->count++] = seconds;
}

static void message(int i, char *text, size_t n) {
    Client *c = &clients[i];
    char line[160];
    if (n && text[0] == '2') { say(c->fd, "3"); pings++; return; }
    if (c->state == OPENING && n && text[0] == '0') { say(c->fd, "40"); c->state = NAMING; return; }
    if (n < 2 || text[0] != '4') return;
    if (c->state == NAMING && text[1] == '0') {
        for (int k = 0; k < c->joins; k++) {
            snprintf(line, sizeof line, "42%d[\"join\",{\"room\":\"auction:%u\",\"quiet\":%s}]", k,
                     (c->room + (unsigned)k * 7919u) % (unsigned)rooms, quiet ? "true" : "false");
            say(c->fd, line);
        }
        c->state = JOINING;
        return;
    }
    if (text[1] == '3') {
        if (c->state == JOINING && ++c->acks == c->joins) { c->state = READY; ready++; in_progress--; }
        return;
    }
    if (text[1] == '2') {
        char *mark;
        delivered += i != probing;
        text[n] = 0;
        mark = strstr(text, "\"t\":");
        if (mark && mark[4] != '0') note(i == probing ? &probes : &delays, now() - atof(mark + 4));
    }
}

static void parse(int i, char *data, size_t n) {
    Client *c = &clients[i];
    size_t at = 0;
    if (c->state == UPGRADING) {
        char *end = memmem(data, n, "\r\n\r\n", 4);
        if (!end) goto keep;
        if (n < 12 || memcmp(data + 9, "101", 3)) { failed++; drop(i); return; }
        at = (size_t)(end - data) + 4;
        c->state = OPENING;
    }
    while (n - at >= 2) {
        size_t length = (unsigned char)data[at + 1] & 127, head = 2;
        char saved;
        if (length == 126) {
            if (n - at < 4) break;
            length = ((unsigned char)data[at + 2] << 8) | (unsigned char)data[at + 3];
            head = 4;
        }
        if (n - at < head + length) break;
        if ((data[at] & 15) == 8) { failed++; drop(i); return; }
        saved = data[at + head + length];
        if ((data[at] & 15) == 1) message(i, data + at + head, length);
        data[at + head + length] = saved;
        at += head + length;
    }
keep:
    if (n > at) {
        char *rest = malloc(n - at);
        memcpy(rest, data + at, n - at);
        free(c->rest);
        c->rest = rest;
        c->rest_len = n - at;
    } else {
        free(c->rest);
        c->rest = NULL;
        c->rest_len = 0;
    }
}

static void readable(int i) {
    Client *c = &clients[i];
    size_t have = c->rest_len;
    ssize_t n;
    if (have) memcpy(buffer, c->rest, have);
    n = recv(c->fd, buffer + have, BUFFER - have, 0);
    if (n > 0) parse(i, buffer, have + (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR)) { failed++; drop(i); }
}

static void turn(int timeout) {
    struct epoll_event events[512];
    int n = epoll_wait(poll_fd, events, 512, timeout);
    for (int k = 0; k < n; k++) {
        int i = (int)events[k].data.u32;
        if (clients[i].state == NONE) continue;
        if (clients[i].state == CONNECTING) {
            if (events[k].events & (EPOLLERR | EPOLLHUP)) { failed++; drop(i); }
            else connected(i);
        } else readable(i);
    }
}

static void open_more(int n) {
    int target = count + n;
    double until = now() + 120;
    while ((count < target || in_progress) && now() < until) {
        while (count < target && in_progress < WINDOW) { begin(count, (unsigned)count % (unsigned)rooms); count++; }
        turn(1000);
    }
}

static int by_value(const void *a, const void *b) {
    double d = *(const double *)a - *(const double *)b;
    return d < 0 ? -1 : d > 0;
}

static void tell(const char *name, Samples *s) {
    static const int parts[] = {500, 900, 990, 999, 1000};
    qsort(s->seconds, (size_t)s->count, sizeof(double), by_value);
    printf(" %s_samples=%ld", name, s->count);
    for (int k = 0; s->count && k < 5; k++) {
        long at = (s->count - 1) * parts[k] / 1000;
        printf(" %s_p%d_ms=%.3f", name, parts[k], s->seconds[at] * 1e3);
    }
}

/* Who of room 0 speaks, and how many it has. */
static int speaker(long *members) {
    int found = -1;
    *members = 0;
    for (int i = 0; i < count; i++)
        if (clients[i].state == READY && clients[i].room == 0) { ++*members; if (found < 0) found = i; }
    return found;
}

static void bump(int i) {
    char line[160];
    snprintf(line, sizeof line, "42[\"bump\",{\"room\":\"auction:%u\",\"t\":%.6f}]", clients[i].room, now());
    say(clients[i].fd, line);
}

static void bumps(long n) {
    long members, before = delivered;
    int who = speaker(&members);
    double until = now() + 60;
    for (long k = 0; k < n && who >= 0; k++) {
        bump(who);
        while (delivered < before + members * (k + 1) && now() < until) turn(100);
    }
    printf("done deliveries=%ld", delivered - before);
}

static void delay(long n, double per_second) {
    long members, sent = 0, before = delivered, asked = 0;
    int who = speaker(&members);
    double start = now(), end = start + n / per_second, next_probe = start;
    reserve(&delays, members * n);
    reserve(&probes, 1000 + (long)(1e3 * n / per_second));
    probing = count - 1;
    while (who >= 0 && now() < end + (delivered < before + members * sent ? 10 : 0)) {
        int idle = delivered >= before + members * sent;
        if (sent < n && now() >= start + sent / per_second) { bump(who); sent++; }
        else if (idle && asked == probes.count && now() >= next_probe) {
            bump(probing);
            asked++;
            next_probe = now() + 1e-3;
        }
        turn(1);
    }
    printf("done deliveries=%ld", delivered - before);
    tell("delay", &delays);
    tell("probe", &probes);
    probing = -1;
}

static void flip(long n, double per_second) {
    long before = delivered;
    double start = now();
    char line[160];
    for (long k = 0; k < n && count; k++) {
        while (now() < start + k / per_second) turn(1);
        snprintf(line, sizeof line, "42[\"%s\",{\"room\":\"auction:%u\"}]", k % 2 ? "join" : "leave", clients[0].room);
        say(clients[0].fd, line);
    }
    while (now() < start + n / per_second + 0.2) turn(1);
    printf("done deliveries=%ld", delivered - before);
}

static void churn(int n) {
    static int oldest;
    double until = now() + 120;
    for (int k = 0; k < n && count; k++) {
        int i = oldest++ % count;
        unsigned room = clients[i].room;
        drop(i);
        begin(i, room);
        while (in_progress >= WINDOW / 4 && now() < until) turn(100);
    }
    while (in_progress && now() < until) turn(100);
}

int main(int argc, char **argv) {
    char line[256], word[32];
    if (argc != 2) return 2;
    port = atoi(argv[1]);
    poll_fd = epoll_create1(0);
    {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = MAX};
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, 0, &event);
        epoll_ctl(poll_fd, EPOLL_CTL_DEL, 0, NULL);
    }
    while (fgets(line, sizeof line, stdin)) {
        double a = 0, b = 0, c = 0, d = 1, cpu_before = cpu(), start = now();
        if (sscanf(line, "%31s %lf %lf %lf %lf", word, &a, &b, &c, &d) < 1) continue;
        long heard = delivered;
        failed = 0;
        if (!strcmp(word, "quit")) break;
        if (!strcmp(word, "open")) {
            rooms = (int)b, quiet = (int)c, joins = (int)d;
            open_more((int)a);
            printf("done");
        } else if (!strcmp(word, "bump")) bumps((long)a);
        else if (!strcmp(word, "delay")) delay((long)a, b);
        else if (!strcmp(word, "flip")) flip((long)a, b);
        else if (!strcmp(word, "churn")) { churn((int)a); printf("done"); }
        else if (!strcmp(word, "shut")) {
            for (int i = 0; i < count; i++) drop(i);
            count = 0;
            printf("done");
        } else if (!strcmp(word, "idle")) {
            pings = 0;
            while (now() < start + a) turn(50);
            printf("done pings=%ld", pings);
        }
        printf(" ready=%d failed=%d updates=%ld wall=%.3f load_cpu=%.4f\n", ready, failed, delivered - heard, now() - start,
               cpu() - cpu_before);
        fflush(stdout);
    }
    return 0;
}
