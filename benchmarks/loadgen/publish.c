#define _GNU_SOURCE
#include "publish.h"

#include "generator.h"
#include "machine.h"

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

char publisher_tag;

static int fd = -1;
static bool paced, ended;
static char answer[1 << 16];
static size_t answer_len;
static char *out;
static size_t out_len, out_sent, out_cap;
static uint64_t began_ns, answered;
static uint32_t channels, first, count, next_event;
static double rate;
static char path_prefix[256], template[4096], extra_head[512];

static void publisher_connect(void) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)g.port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1;
    publisher_close();
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) fail("connect the publisher");
    ended = false;
    answer_len = out_len = out_sent = answered = 0;
    answer[0] = 0;
    began_ns = now_ns();
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &publisher_tag};
    if (epoll_ctl(g.epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll_ctl");
}

void publisher_close(void) {
    if (fd >= 0) close(fd);
    fd = -1;
}

void publisher_post(const char *path) {
    char head[1024];
    publisher_connect();
    paced = false;
    int n = snprintf(head, sizeof head,
                     "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n"
                     "Connection: close\r\n\r\n", path);
    if (send(fd, head, (size_t)n, MSG_NOSIGNAL) != n) fail("send the publish request");
}

/* The template file: first line an extra header (or empty), the rest the body with one @@. */
void publisher_paced(uint32_t channels_, uint32_t first_, uint32_t count_, double rate_,
                     const char *prefix, const char *template_file) {
    FILE *file = fopen(template_file, "r");
    if (!file || !fgets(extra_head, sizeof extra_head, file)) fail("read the event template");
    extra_head[strcspn(extra_head, "\r\n")] = 0;
    size_t n = fread(template, 1, sizeof template - 1, file);
    template[n] = 0;
    fclose(file);
    publisher_connect();
    paced = true;
    channels = channels_;
    first = first_;
    count = count_;
    rate = rate_;
    next_event = 0;
    snprintf(path_prefix, sizeof path_prefix, "%s", prefix);
    publisher_tick();
}

static void flush_out(void) {
    while (out_sent < out_len) {
        ssize_t n = send(fd, out + out_sent, out_len - out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) break;
        if (n < 0) fail("send an event");
        out_sent += (size_t)n;
    }
    if (out_sent == out_len) out_sent = out_len = 0;
    struct epoll_event event = {.events = EPOLLIN | (out_len ? EPOLLOUT : 0),
                                .data.ptr = &publisher_tag};
    if (epoll_ctl(g.epoll_fd, EPOLL_CTL_MOD, fd, &event) < 0) fail("epoll_ctl");
}

static void add_event(uint32_t k) {
    char body[5000], marker[64];
    char *at = strstr(template, "@@");
    if (!at) fail("the event template has no @@");
    snprintf(marker, sizeof marker, "bench.%010u.%019llu", k, (unsigned long long)now_ns());
    int n = snprintf(body, sizeof body, "%.*s%s%s", (int)(at - template), template, marker, at + 2);
    if (out_len + (size_t)n + 1024 > out_cap) {
        out_cap = (out_cap + (size_t)n + 1024) * 2;
        out = realloc(out, out_cap);
        if (!out) fail("realloc");
    }
    out_len += (size_t)snprintf(out + out_len, 1024,
                                "POST %s%u HTTP/1.1\r\nHost: 127.0.0.1\r\n%s%sContent-Length: %d"
                                "\r\n\r\n", path_prefix, k % channels, extra_head,
                                extra_head[0] ? "\r\n" : "", n);
    memcpy(out + out_len, body, (size_t)n);
    out_len += (size_t)n;
}

static uint64_t due_ns(uint32_t k) {
    return began_ns + (rate > 0 ? (uint64_t)(k * 1e9 / rate) : 0);
}

void publisher_tick(void) {
    if (fd < 0 || !paced || next_event == count) return;
    uint64_t now = now_ns();
    bool added = false;
    while (next_event < count && due_ns(next_event) <= now) {
        add_event(first + next_event++);
        added = true;
    }
    if (added) flush_out();
}

int publisher_timeout_ms(void) {
    if (fd < 0 || !paced || next_event == count) return -1;
    uint64_t now = now_ns(), due = due_ns(next_event);
    return due <= now ? 0 : (int)((due - now) / 1000000) + 1;
}

/* Each answer begins with a status line; one may be cut between two reads. */
static void count_answers(void) {
    static const char START[] = "HTTP/1.1 20";
    char *from = answer, *at;
    while ((at = memmem(from, (size_t)(answer + answer_len - from), START, sizeof START - 1))) {
        answered++;
        from = at + sizeof START - 1;
    }
    size_t rest = (size_t)(answer + answer_len - from);
    if (rest > sizeof START - 2) {
        from += rest - (sizeof START - 2);
        rest = sizeof START - 2;
    }
    memmove(answer, from, rest);
    answer_len = rest;
}

void publisher_event(uint32_t epoll_events) {
    if (epoll_events & EPOLLOUT) flush_out();
    if (!(epoll_events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
    ssize_t n = recv(fd, answer + answer_len, sizeof answer - 1 - answer_len, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
        ended = true;
        publisher_close();
        return;
    }
    answer_len += (size_t)n;
    answer[answer_len] = 0;
    if (paced) count_answers();
}

bool publisher_done(void) {
    return paced ? ended || answered >= count : ended || fd < 0;
}

/* The JSON body of a single POST's answer, or how many events were accepted. */
const char *publisher_answer(void) {
    static char text[4096];
    if (paced) {
        snprintf(text, sizeof text, "{\"sent\":%llu}", (unsigned long long)answered);
        return text;
    }
    char *body = strstr(answer, "\r\n\r\n");
    char *open = body ? strchr(body, '{') : NULL, *close = open ? strrchr(open, '}') : NULL;
    if (!close) return "null";
    snprintf(text, sizeof text, "%.*s", (int)(close - open + 1), open);
    return text;
}
