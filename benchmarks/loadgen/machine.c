#define _GNU_SOURCE
#include "machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

void push(uint32_t **array, size_t *len, size_t *cap, uint32_t value) {
    if (*len == *cap) {
        *cap = *cap ? *cap * 2 : 4096;
        *array = realloc(*array, *cap * sizeof **array);
        if (!*array) fail("realloc");
    }
    (*array)[(*len)++] = value;
}

void fail(const char *what) {
    fprintf(stderr, "loadgen: %s: %s\n", what, strerror(errno));
    exit(1);
}
