/* A server that does nothing but write ready-made events: it shows how many the generator
 * can take at most. */
#ifndef BLAST_H
#define BLAST_H

#include <stdint.h>

/* `batch` events go into one write, as a burst would. */
int blast(int port, uint32_t streams, uint32_t events, uint32_t batch);

#endif
