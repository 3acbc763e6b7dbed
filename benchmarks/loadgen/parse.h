/* From bytes of a response to counted events: head, chunked framing, lines. */
#ifndef PARSE_H
#define PARSE_H

#include "generator.h"

/* Return false when the stream is over: refused, or ended by the server. */
bool parse_bytes(Stream *s, char *bytes, size_t len, uint64_t arrival_ns);

#endif
