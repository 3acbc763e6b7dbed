/* One stream's socket: connect, ask, read, come back. */
#ifndef STREAMS_H
#define STREAMS_H

#include "generator.h"

void stream_open(Stream *s);
void stream_close(Stream *s);
void stream_event(Stream *s, uint32_t epoll_events);

/* Open the streams whose pause after a refusal is over. */
void retry_due_streams(void);

/* Milliseconds until the next of them is due, -1 if none waits. */
int retry_timeout_ms(void);

#endif
