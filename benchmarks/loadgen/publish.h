/* The publisher: one POST that asks a server to publish, or, for a server that
 * can only be told one event at a time (nchan), one pipelined POST per event. */
#ifndef PUBLISH_H
#define PUBLISH_H

#include <stdbool.h>
#include <stdint.h>

void publisher_post(const char *path);
void publisher_paced(uint32_t channels, uint32_t first, uint32_t count, double rate,
                     const char *path_prefix, const char *template_file);
bool publisher_done(void);
int publisher_timeout_ms(void);
void publisher_event(uint32_t epoll_events);
void publisher_tick(void);
const char *publisher_answer(void);
void publisher_close(void);
extern char publisher_tag;      /* its address marks the publisher in epoll */

#endif
