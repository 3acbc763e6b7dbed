/* The load generator: thousands of event streams on one core, one epoll loop.
 *
 * Driven by commands on stdin, one a line; each answers with one line of JSON on stdout.
 * Times are in milliseconds unless the name says otherwise.
 *
 *   target PORT                          the server on 127.0.0.1
 *   requests FILE                        one stream a line: path, then headers, by tabs
 *   ready sent|head|block                when a stream counts as up
 *   resume on|off                        send Last-Event-ID when opening
 *   storm on|off                         come back at once when the server ends a stream
 *   open FIRST COUNT IN_FLIGHT TIMEOUT   open streams, at most IN_FLIGHT being opened
 *   close FIRST COUNT
 *   expect STEP PER_STREAM               clear the counts; stream i gets i, i+STEP, ...
 *   continue PER_STREAM_TOTAL            go on counting, with no room for more
 *   publish TIMEOUT TOTAL PATH           POST PATH, wait for its answer and TOTAL events
 *   paced TIMEOUT TOTAL CHANNELS FIRST COUNT RATE PREFIX TEMPLATE   one POST per event
 *   collect TIMEOUT TOTAL                wait for TOTAL events that someone else publishes
 *   await_up COUNT TIMEOUT               wait until COUNT streams are up (in a storm: again)
 *   idle MS                              read what comes
 *   log FILE|off                         write each data line with its arrival time
 *   quit
 */
#define _GNU_SOURCE
#include "blast.h"
#include "generator.h"
#include "machine.h"
#include "publish.h"
#include "stats.h"
#include "streams.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

/* After the last expected event, how long a duplicate may still show up. */
enum { SETTLE_MS = 40 };

static char stdin_tag;
static bool stdin_ready;

static void poll_once(int timeout_ms) {
    struct epoll_event events[512];
    int waits[] = {retry_timeout_ms(), publisher_timeout_ms()};
    for (int i = 0; i < 2; i++)
        if (waits[i] >= 0 && (timeout_ms < 0 || waits[i] < timeout_ms)) timeout_ms = waits[i];
    int n = epoll_wait(g.epoll_fd, events, 512, timeout_ms);
    if (n < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr == &stdin_tag) stdin_ready = true;
        else if (events[i].data.ptr == &publisher_tag) publisher_event(events[i].events);
        else stream_event(events[i].data.ptr, events[i].events);
    }
    publisher_tick();
    retry_due_streams();
}

static int left_ms(uint64_t deadline_ns) {
    uint64_t now = now_ns();
    return now >= deadline_ns ? 0 : (int)((deadline_ns - now) / 1000000) + 1;
}

static uint64_t deadline(double ms) { return now_ns() + (uint64_t)(ms * 1e6); }

static void run_for(double ms) {
    for (uint64_t end = deadline(ms); left_ms(end);) poll_once(left_ms(end));
}

static void load_requests(const char *path) {
    char line[8192];
    FILE *file = fopen(path, "r");
    if (!file) fail(path);
    for (uint32_t i = 0; i < g.stream_count; i++) {
        stream_close(&g.streams[i]);
        free(g.streams[i].request);
        free(g.streams[i].carry);
        free(g.streams[i].seen);
    }
    free(g.streams);
    g.streams = NULL;
    g.stream_count = 0;
    uint32_t cap = 0;
    while (fgets(line, sizeof line, file)) {
        char head[8400];
        line[strcspn(line, "\n")] = 0;
        char *rest = line, *field = strsep(&rest, "\t");
        int n = snprintf(head, sizeof head,
                         "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n"
                         "Cache-Control: no-cache\r\n", field);
        while ((field = strsep(&rest, "\t")))
            n += snprintf(head + n, sizeof head - (size_t)n, "%s\r\n", field);
        if (g.stream_count == cap) {
            cap = cap ? cap * 2 : 1024;
            g.streams = realloc(g.streams, cap * sizeof *g.streams);
            if (!g.streams) fail("realloc");
        }
        Stream *s = &g.streams[g.stream_count++];
        memset(s, 0, sizeof *s);
        s->fd = -1;
        s->request = strdup(head);
        s->request_len = (uint32_t)n;
    }
    fclose(file);
    g.events_per_stream = 0;
    stats_reset();
    printf("{\"streams\":%u}\n", g.stream_count);
    fflush(stdout);
}

static void opening_reset(void) {
    Opening *o = &g.opening;
    uint32_t up = o->up, *kept = o->connect_100ns;
    size_t cap = o->connect_cap;
    memset(o, 0, sizeof *o);
    o->up = up;
    o->connect_100ns = kept;
    o->connect_cap = cap;
}

static void open_streams(uint32_t first, uint32_t count, uint32_t in_flight, double timeout_ms) {
    uint64_t began = now_ns(), end = deadline(timeout_ms);
    uint32_t started = 0;
    opening_reset();
    uint32_t already = g.opening.up;
    for (;;) {
        uint32_t settled = g.opening.up - already + g.opening.refused + g.opening.bad_status +
                           g.opening.dropped;
        if (settled >= count || !left_ms(end)) break;
        while (started < count && started - settled < in_flight)
            stream_open(&g.streams[first + started++]);
        poll_once(left_ms(end));
    }
    print_opening(began, already + count);
}

static void await_events(uint64_t total, double timeout_ms, bool with_publisher) {
    uint64_t end = deadline(timeout_ms);
    while (left_ms(end) && (g.stats.received < total || (with_publisher && !publisher_done())))
        poll_once(left_ms(end));
    run_for(SETTLE_MS);
    print_stats(with_publisher ? publisher_answer() : "null");
    publisher_close();
}

static void ok(void) {
    puts("{}");
    fflush(stdout);
}

static void grow_expectation(uint32_t per_stream) {
    for (uint32_t i = 0; i < g.stream_count; i++) {
        Stream *s = &g.streams[i];
        size_t had = (g.events_per_stream + 63) / 64 + 1, wants = (per_stream + 63) / 64 + 1;
        if (wants <= had) continue;
        s->seen = realloc(s->seen, wants * sizeof *s->seen);
        if (!s->seen) fail("realloc");
        memset(s->seen + had, 0, (wants - had) * sizeof *s->seen);
    }
    g.events_per_stream = per_stream;
}

static bool is(const char *word, const char *other) { return !strcmp(word, other); }

static void run_command(char *line) {
    char word[32], a[1024], b[1024];
    uint32_t w, x, y, z;
    unsigned long long total;
    double ms, rate;
    if (sscanf(line, "%31s", word) != 1) return;
    const char *rest = line + strlen(word);
    if (is(word, "quit")) exit(0);
    else if (is(word, "target") && sscanf(rest, "%d", &g.port) == 1) ok();
    else if (is(word, "requests") && sscanf(rest, "%1023s", a) == 1) load_requests(a);
    else if (is(word, "ready") && sscanf(rest, "%1023s", a) == 1)
        g.ready = is(a, "sent") ? READY_SENT : is(a, "block") ? READY_BLOCK : READY_HEAD, ok();
    else if (is(word, "resume") && sscanf(rest, "%1023s", a) == 1) g.send_last_id = is(a, "on"), ok();
    else if (is(word, "storm") && sscanf(rest, "%1023s", a) == 1)
        g.reconnect = is(a, "on"), opening_reset(), ok();
    else if (is(word, "open") && sscanf(rest, "%u %u %u %lf", &x, &y, &z, &ms) == 4 &&
             x + y <= g.stream_count) open_streams(x, y, z, ms);
    else if (is(word, "close") && sscanf(rest, "%u %u", &x, &y) == 2 && x + y <= g.stream_count) {
        for (uint32_t i = x; i < x + y; i++) stream_close(&g.streams[i]);
        ok();
    } else if (is(word, "expect") && sscanf(rest, "%u %u", &x, &y) == 2 && x) {
        g.step = x;
        g.events_per_stream = y;
        stats_reset();
        ok();
    } else if (is(word, "continue") && sscanf(rest, "%u", &x) == 1) grow_expectation(x), ok();
    else if (is(word, "publish") && sscanf(rest, "%lf %llu %1023s", &ms, &total, a) == 3) {
        publisher_post(a);
        await_events(total, ms, true);
    } else if (is(word, "paced") &&
               sscanf(rest, "%lf %llu %u %u %u %lf %1023s %1023s", &ms, &total, &w, &x, &y, &rate,
                      a, b) == 8) {
        publisher_paced(w, x, y, rate, a, b);
        await_events(total, ms, true);
    } else if (is(word, "collect") && sscanf(rest, "%lf %llu", &ms, &total) == 2)
        await_events(total, ms, false);
    else if (is(word, "await_up") && sscanf(rest, "%u %lf", &x, &ms) == 2) {
        uint64_t began = now_ns();
        uint64_t end = deadline(ms);
        while (left_ms(end) && (g.opening.up < x || (g.reconnect && g.opening.dropped < x)))
            poll_once(left_ms(end));
        print_opening(began, x);
    } else if (is(word, "idle") && sscanf(rest, "%lf", &ms) == 1) run_for(ms), ok();
    else if (is(word, "log") && sscanf(rest, "%1023s", a) == 1) {
        if (g.log_fd >= 0) close(g.log_fd);
        g.log_fd = is(a, "off") ? -1 : open(a, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        ok();
    } else {
        printf("{\"error\":\"cannot read the command: %s\"}\n", word);
        fflush(stdout);
    }
}

int main(int argc, char **argv) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (argc == 6 && is(argv[1], "blast"))
        return blast(atoi(argv[2]), (uint32_t)atoi(argv[3]), (uint32_t)atoi(argv[4]),
                     (uint32_t)atoi(argv[5]));
    g.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &stdin_tag};
    if (epoll_ctl(g.epoll_fd, EPOLL_CTL_ADD, 0, &event) < 0) fail("epoll_ctl stdin");
    char pending[4096];
    size_t held = 0;
    for (;;) {
        char *newline;
        while ((newline = memchr(pending, '\n', held))) {
            char line[4096];
            size_t n = (size_t)(newline - pending);
            memcpy(line, pending, n);
            line[n] = 0;
            held -= n + 1;
            memmove(pending, newline + 1, held);
            run_command(line);
        }
        stdin_ready = false;
        while (!stdin_ready) poll_once(-1);
        ssize_t n = read(0, pending + held, sizeof pending - held);
        if (n <= 0) return 0;
        held += (size_t)n;
    }
}
