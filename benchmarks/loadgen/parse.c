#define _GNU_SOURCE
#include "parse.h"

#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* Every event carries "bench.<sequence>.<nanoseconds sent>" somewhere in its data. */
static const char MARKER[] = "bench.";

static void keep(Stream *s, const char *bytes, size_t len) {
    if (s->carry_len + len > s->carry_cap) {
        s->carry_cap = (uint32_t)(s->carry_len + len) * 2;
        s->carry = realloc(s->carry, s->carry_cap);
        if (!s->carry) fail("realloc");
    }
    memcpy(s->carry + s->carry_len, bytes, len);
    s->carry_len += (uint32_t)len;
}

static void mark_up(Stream *s, uint64_t arrival_ns) {
    if (s->up) return;
    s->up = true;
    g.opening.up++;
    g.opening.last_up_ns = arrival_ns;
    push(&g.opening.connect_100ns, &g.opening.connects, &g.opening.connect_cap,
         (uint32_t)((arrival_ns - s->started_ns) / 100));
}

static void log_line(const Stream *s, const char *line, size_t len, uint64_t arrival_ns) {
    dprintf(g.log_fd, "%llu\t%u\t%.*s\n", (unsigned long long)arrival_ns,
            (unsigned)(s - g.streams), (int)len, line);
}

static void count_event(Stream *s, uint64_t arrival_ns) {
    Stats *t = &g.stats;
    uint64_t index = s->block_seq / g.step, number = (uint64_t)(s - g.streams);
    uint64_t bit = 1ull << (index & 63);
    if (index >= g.events_per_stream || (g.step > 1 && s->block_seq % g.step != number)) {
        t->unexpected++;
        return;
    }
    if (s->seen[index >> 6] & bit) {
        t->duplicates++;
        return;
    }
    s->seen[index >> 6] |= bit;
    if ((int64_t)s->block_seq < s->last_seq) t->out_of_order++;
    s->last_seq = (int64_t)s->block_seq;
    s->received++;
    t->received++;
    if (!t->first_sent_ns || s->block_sent_ns < t->first_sent_ns)
        t->first_sent_ns = s->block_sent_ns;
    if (s->block_sent_ns > t->last_sent_ns) t->last_sent_ns = s->block_sent_ns;
    if (!t->first_arrival_ns) t->first_arrival_ns = arrival_ns;
    t->last_arrival_ns = arrival_ns;
    push(&t->latency_100ns, &t->latencies, &t->latency_cap,
         (uint32_t)((arrival_ns - s->block_sent_ns) / 100));
}

static void end_block(Stream *s, uint64_t arrival_ns) {
    if (s->block_id[0]) memcpy(s->id, s->block_id, ID_MAX);
    s->block_id[0] = 0;
    if (g.ready == READY_BLOCK) mark_up(s, arrival_ns);
    if (s->has_marker && g.events_per_stream)
        count_event(s, arrival_ns);
    else
        g.stats.other_blocks++;
    s->has_marker = false;
}

static void parse_line(Stream *s, char *line, size_t len, uint64_t arrival_ns) {
    if (len && line[len - 1] == '\r') len--;
    if (!len) {
        end_block(s, arrival_ns);
    } else if (len > 5 && !memcmp(line, "data:", 5)) {
        char *at = memmem(line, len, MARKER, sizeof MARKER - 1);
        if (at) {
            char *end;
            s->block_seq = strtoull(at + sizeof MARKER - 1, &end, 10);
            s->block_sent_ns = strtoull(end + 1, NULL, 10);
            s->has_marker = true;
        }
        if (g.log_fd >= 0) log_line(s, line, len, arrival_ns);
    } else if (len > 3 && !memcmp(line, "id:", 3)) {
        char *value = line + 3 + (line[3] == ' ');
        size_t n = (size_t)(line + len - value);
        if (n >= ID_MAX) fail("an event id longer than the generator keeps");
        memcpy(s->block_id, value, n);
        s->block_id[n] = 0;
    }
}

/* Event-stream text, framing removed. `bytes` may be written to just past a line's end. */
static void parse_body(Stream *s, char *bytes, size_t len, uint64_t arrival_ns) {
    while (len) {
        char *newline = memchr(bytes, '\n', len);
        if (!newline) {
            keep(s, bytes, len);
            return;
        }
        size_t n = (size_t)(newline - bytes);
        if (s->carry_len) {
            keep(s, bytes, n);
            keep(s, "", 1);     /* the terminator strtoull stops at */
            uint32_t whole = s->carry_len - 1;
            s->carry_len = 0;
            parse_line(s, s->carry, whole, arrival_ns);
        } else {
            parse_line(s, bytes, n, arrival_ns);
        }
        bytes += n + 1;
        len -= n + 1;
    }
}

/* Returns false at the closing chunk. A chunk-size line is gathered digit by digit. */
static bool parse_chunked(Stream *s, char *bytes, size_t len, uint64_t arrival_ns) {
    while (len) {
        if (s->chunk_phase == 0) {
            char c = *bytes++;
            len--;
            if (c == '\n') {
                if (!s->chunk_left) return false;
                s->chunk_phase = 1;
            } else if (c != '\r') {
                int digit = c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
                s->chunk_left = s->chunk_left * 16 + (uint32_t)digit;
            }
            continue;
        }
        size_t n = len < s->chunk_left ? len : s->chunk_left;
        if (s->chunk_phase == 1) parse_body(s, bytes, n, arrival_ns);
        bytes += n;
        len -= n;
        s->chunk_left -= (uint32_t)n;
        if (!s->chunk_left) {
            s->chunk_left = s->chunk_phase == 1 ? 2 : 0;
            s->chunk_phase = s->chunk_phase == 1 ? 2 : 0;
        }
    }
    return true;
}

static bool parse_rest(Stream *s, char *bytes, size_t len, uint64_t arrival_ns) {
    if (s->chunked) return parse_chunked(s, bytes, len, arrival_ns);
    parse_body(s, bytes, len, arrival_ns);
    return true;
}

bool parse_bytes(Stream *s, char *bytes, size_t len, uint64_t arrival_ns) {
    if (s->state == OPEN) return parse_rest(s, bytes, len, arrival_ns);
    keep(s, bytes, len);
    char *end = memmem(s->carry, s->carry_len, "\r\n\r\n", 4);
    if (!end) return true;
    end[2] = 0;
    int status = s->carry_len > 12 ? atoi(s->carry + 9) : 0;
    if (status != 200) {
        g.opening.bad_status++;
        g.opening.last_status = status;
        return false;
    }
    s->chunked = strcasestr(s->carry, "transfer-encoding: chunked") != NULL;
    s->state = OPEN;
    s->chunk_phase = 0;
    s->chunk_left = 0;
    if (g.ready == READY_HEAD) mark_up(s, arrival_ns);
    /* The head sat in `carry`, which the body needs: move what follows out of it. */
    size_t rest = s->carry_len - (size_t)(end + 4 - s->carry);
    char *copy = malloc(rest + 1);
    if (!copy) fail("malloc");
    memcpy(copy, end + 4, rest);
    copy[rest] = 0;
    s->carry_len = 0;
    bool open = parse_rest(s, copy, rest, arrival_ns);
    free(copy);
    return open;
}
