#include "stats.h"

#include "generator.h"
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Milliseconds below which `share` of the sorted values lie. */
static double percentile(const uint32_t *values, size_t n, double share) {
    if (!n) return 0;
    size_t at = (size_t)(share * (double)(n - 1) + 0.5);
    return values[at] / 10000.0;
}

void stats_reset(void) {
    Stats *t = &g.stats;
    uint32_t *kept = t->latency_100ns;
    size_t cap = t->latency_cap;
    memset(t, 0, sizeof *t);
    t->latency_100ns = kept;
    t->latency_cap = cap;
    for (uint32_t i = 0; i < g.stream_count; i++) {
        Stream *s = &g.streams[i];
        s->last_seq = -1;
        s->received = 0;
        free(s->seen);
        s->seen = calloc((g.events_per_stream + 63) / 64 + 1, sizeof *s->seen);
        if (!s->seen) fail("calloc");
    }
}

void print_stats(const char *answer) {
    Stats *t = &g.stats;
    uint32_t least = UINT32_MAX, most = 0;
    for (uint32_t i = 0; i < g.stream_count; i++) {
        if (g.streams[i].state == IDLE) continue;
        if (g.streams[i].received < least) least = g.streams[i].received;
        if (g.streams[i].received > most) most = g.streams[i].received;
    }
    qsort(t->latency_100ns, t->latencies, sizeof *t->latency_100ns, by_value);
    printf("{\"received\":%llu,\"duplicates\":%llu,\"out_of_order\":%llu,\"unexpected\":%llu,"
           "\"other_blocks\":%llu,\"least_per_stream\":%u,\"most_per_stream\":%u,"
           "\"first_sent_ns\":%llu,\"last_sent_ns\":%llu,"
           "\"first_arrival_ns\":%llu,\"last_arrival_ns\":%llu,"
           "\"p50_ms\":%.4f,\"p99_ms\":%.4f,\"max_ms\":%.4f,\"answer\":%s}\n",
           (unsigned long long)t->received, (unsigned long long)t->duplicates,
           (unsigned long long)t->out_of_order, (unsigned long long)t->unexpected,
           (unsigned long long)t->other_blocks, least == UINT32_MAX ? 0 : least, most,
           (unsigned long long)t->first_sent_ns, (unsigned long long)t->last_sent_ns,
           (unsigned long long)t->first_arrival_ns, (unsigned long long)t->last_arrival_ns,
           percentile(t->latency_100ns, t->latencies, .5),
           percentile(t->latency_100ns, t->latencies, .99),
           percentile(t->latency_100ns, t->latencies, 1), answer);
    fflush(stdout);
}

void print_opening(uint64_t began_ns, uint32_t wanted) {
    Opening *o = &g.opening;
    qsort(o->connect_100ns, o->connects, sizeof *o->connect_100ns, by_value);
    printf("{\"up\":%u,\"wanted\":%u,\"attempts\":%u,\"refused\":%u,\"bad_status\":%u,"
           "\"last_status\":%d,\"last_errno\":%d,\"dropped\":%u,"
           "\"wall_ms\":%.3f,\"since_drop_ms\":%.3f,\"p50_ms\":%.4f,\"p99_ms\":%.4f,"
           "\"max_ms\":%.4f}\n",
           o->up, wanted, o->attempts, o->refused, o->bad_status, o->last_status, o->last_errno,
           o->dropped, o->last_up_ns > began_ns ? (double)(o->last_up_ns - began_ns) / 1e6 : 0.0,
           o->first_drop_ns && o->last_up_ns > o->first_drop_ns
               ? (double)(o->last_up_ns - o->first_drop_ns) / 1e6 : 0.0,
           percentile(o->connect_100ns, o->connects, .5),
           percentile(o->connect_100ns, o->connects, .99),
           percentile(o->connect_100ns, o->connects, 1));
    fflush(stdout);
}
