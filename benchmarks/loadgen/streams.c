#define _GNU_SOURCE
#include "streams.h"

#include "machine.h"
#include "parse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RECV_BYTES = 1 << 18, RETRY_MS = 20 };

/* Streams waiting to try again, oldest first: the pause is the same for all. */
static struct { uint32_t stream; uint64_t due_ns; } *queue;
static size_t queue_head, queue_len, queue_cap;

static void retry_later(Stream *s) {
    s->state = WAITING;
    if (queue_head + queue_len == queue_cap) {
        if (queue_head) {
            memmove(queue, queue + queue_head, queue_len * sizeof *queue);
            queue_head = 0;
        }
        if (queue_len == queue_cap) {
            queue_cap = queue_cap ? queue_cap * 2 : 1024;
            queue = realloc(queue, queue_cap * sizeof *queue);
            if (!queue) fail("realloc");
        }
    }
    queue[queue_head + queue_len].stream = (uint32_t)(s - g.streams);
    queue[queue_head + queue_len++].due_ns = now_ns() + RETRY_MS * 1000000ull;
}

int retry_timeout_ms(void) {
    if (!queue_len) return -1;
    uint64_t now = now_ns(), due = queue[queue_head].due_ns;
    return due <= now ? 0 : (int)((due - now) / 1000000) + 1;
}

void retry_due_streams(void) {
    uint64_t now = now_ns();
    while (queue_len && queue[queue_head].due_ns <= now) {
        Stream *s = &g.streams[queue[queue_head].stream];
        queue_head++;
        queue_len--;
        if (s->state == WAITING) stream_open(s);
    }
}

void stream_close(Stream *s) {
    if (s->fd >= 0) close(s->fd);
    if (s->up) g.opening.up--;
    s->fd = -1;
    s->up = false;
    s->has_marker = false;
    s->carry_len = 0;
    s->block_id[0] = 0;
    s->state = IDLE;
}

/* The server ended it, refused it, or was not there. */
static void stream_lost(Stream *s, bool at_once) {
    if (s->up && !g.opening.first_drop_ns) g.opening.first_drop_ns = now_ns();
    if (s->up) g.opening.dropped++;
    stream_close(s);
    if (!g.reconnect) return;
    if (at_once) stream_open(s);
    else retry_later(s);
}

void stream_open(Stream *s) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)g.port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0) fail("socket");
    s->state = CONNECTING;
    s->started_ns = now_ns();
    g.opening.attempts++;
    if (connect(s->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) {
        g.opening.refused++;
        g.opening.last_errno = errno;
        stream_lost(s, false);
        return;
    }
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = s};
    if (epoll_ctl(g.epoll_fd, EPOLL_CTL_ADD, s->fd, &event) < 0) fail("epoll_ctl");
}

static void stream_ask(Stream *s) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        g.opening.refused++;
        g.opening.last_errno = error;
        stream_lost(s, false);
        return;
    }
    char head[4096];
    int n = snprintf(head, sizeof head, "%.*s%s%s%s\r\n", (int)s->request_len, s->request,
                     g.send_last_id && s->id[0] ? "Last-Event-ID: " : "",
                     g.send_last_id ? s->id : "", g.send_last_id && s->id[0] ? "\r\n" : "");
    if (n >= (int)sizeof head) fail("a request head over 4 KiB");
    if (send(s->fd, head, (size_t)n, MSG_NOSIGNAL) != n) {
        stream_lost(s, false);
        return;
    }
    s->state = HEAD;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    if (epoll_ctl(g.epoll_fd, EPOLL_CTL_MOD, s->fd, &event) < 0) fail("epoll_ctl");
    if (g.ready == READY_SENT) {
        s->up = true;
        g.opening.up++;
        g.opening.last_up_ns = now_ns();
    }
}

void stream_event(Stream *s, uint32_t epoll_events) {
    static char bytes[RECV_BYTES + 1];
    if (s->state == CONNECTING) {
        stream_ask(s);
        return;
    }
    (void)epoll_events;
    ssize_t n = recv(s->fd, bytes, RECV_BYTES, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        stream_lost(s, true);
        return;
    }
    bytes[n] = 0;
    if (!parse_bytes(s, bytes, (size_t)n, now_ns())) stream_lost(s, s->state == OPEN);
}
