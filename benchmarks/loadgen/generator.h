/* What the generator holds: its streams, and what it has counted. Every other part but
 * machine and blast works on this one object. */
#ifndef GENERATOR_H
#define GENERATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ID_MAX = 96 };

typedef enum { IDLE, CONNECTING, HEAD, OPEN, WAITING } State;

/* When a stream counts as up. flask-sse sends not even a response head
 * before its first event, so for it only SENT can be told. */
typedef enum { READY_SENT, READY_HEAD, READY_BLOCK } Ready;

typedef struct {
    int fd;
    State state;
    bool up, chunked, has_marker;
    uint8_t chunk_phase;    /* 0 size line, 1 data, 2 the CRLF after data */
    uint32_t chunk_left;    /* bytes of data (phase 1) or CRLF (phase 2) to come */
    char *request;          /* the request head without its closing blank line */
    uint32_t request_len;
    char *carry;            /* an unfinished head or line */
    uint32_t carry_len, carry_cap;
    char id[ID_MAX];        /* id of the last whole block: the Last-Event-ID */
    char block_id[ID_MAX];
    uint64_t block_seq, block_sent_ns;
    int64_t last_seq;
    uint32_t received;
    uint64_t *seen;         /* one bit per event expected on this stream */
    uint64_t started_ns;
} Stream;

/* What one measurement counted; cleared by `expect`. */
typedef struct {
    uint64_t received, duplicates, out_of_order, unexpected, other_blocks;
    uint64_t first_sent_ns, last_sent_ns, first_arrival_ns, last_arrival_ns;
    uint32_t *latency_100ns;
    size_t latencies, latency_cap;
} Stats;

/* What opening streams counted; cleared by `open` and `storm on`. */
typedef struct {
    uint32_t up, attempts, refused, bad_status, dropped;
    int last_status, last_errno;
    uint64_t first_drop_ns, last_up_ns;
    uint32_t *connect_100ns;
    size_t connects, connect_cap;
} Opening;

typedef struct {
    int epoll_fd, port;
    Stream *streams;
    uint32_t stream_count;
    Ready ready;
    bool send_last_id, reconnect;
    uint32_t step;              /* stream i expects sequence i, i+step, i+2*step... */
    uint32_t events_per_stream;
    Stats stats;
    Opening opening;
    int log_fd;
} Generator;

extern Generator g;

#endif
