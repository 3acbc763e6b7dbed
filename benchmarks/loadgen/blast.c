#define _GNU_SOURCE
#include "blast.h"

#include "machine.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char HEAD_TEXT[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

static size_t event_block(char *into, uint32_t sequence) {
    char data[500];
    int n = snprintf(data, sizeof data,
                     "event: order_update\ndata: {\"sessionId\":\"session-123\",\"orderId\":"
                     "\"bench.%010u.%019llu\",\"message\":\"Your order has been completed (3 items)"
                     " - Table 5, and these words make the event as long as the others are, which"
                     " is about three hundred and seventy bytes\",\"code\":\"order.complete\","
                     "\"params\":{\"tableNumber\":5,\"itemCount\":3},\"requiresRefresh\":true}\n"
                     "id: k-%u\n\n",
                     sequence, (unsigned long long)now_ns(), sequence);
    return (size_t)sprintf(into, "%x\r\n%s\r\n", (unsigned)n, data);
}

int blast(int port, uint32_t streams, uint32_t events, uint32_t batch) {
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 4096)) fail("listen");
    int *fds = calloc(streams, sizeof *fds);
    char *text = malloc((size_t)batch * 512 + 1), request[4096];
    if (!fds || !text) fail("malloc");
    alarm(120);     /* end even if no client connects */
    for (uint32_t i = 0; i < streams; i++) {
        fds[i] = accept(listener, NULL, NULL);
        if (fds[i] < 0 || recv(fds[i], request, sizeof request, 0) <= 0) fail("accept");
        if (send(fds[i], HEAD_TEXT, sizeof HEAD_TEXT - 1, MSG_NOSIGNAL) < 0) fail("send");
    }
    usleep(300000);     /* the generator says `expect` before the first event */
    for (uint32_t e = 0; e < events; e += batch) {
        size_t len = 0;
        for (uint32_t b = 0; b < batch && e + b < events; b++) len += event_block(text + len, e + b);
        for (uint32_t i = 0; i < streams; i++)
            if (send(fds[i], text, len, MSG_NOSIGNAL) != (ssize_t)len) fail("send");
    }
    while (recv(fds[0], request, sizeof request, 0) > 0) continue;
    return 0;
}
