// Sources/CCares/shim.h: c-ares with its addresses turned into text, because struct sockaddr has no typed form in Swift.
#pragma once
#include <stddef.h>
#include <ares.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

// Writes the numeric form of a result node; 0 when the family is unknown.
static inline int cares_text(const struct ares_addrinfo_node *node, char *text, size_t size) {
    const void *address;
    if (node->ai_family == AF_INET) address = &((const struct sockaddr_in *)(const void *)node->ai_addr)->sin_addr;
    else if (node->ai_family == AF_INET6) address = &((const struct sockaddr_in6 *)(const void *)node->ai_addr)->sin6_addr;
    else return 0;
    return inet_ntop(node->ai_family, address, text, (socklen_t)size) != NULL;
}

// Milliseconds until c-ares wants to be called again, at most `limit`.
static inline int cares_timeout(ares_channel channel, int limit) {
    struct timeval longest = {.tv_sec = limit / 1000, .tv_usec = (limit % 1000) * 1000}, next;
    struct timeval *chosen = ares_timeout(channel, &longest, &next);
    return chosen ? (int)(chosen->tv_sec * 1000 + (chosen->tv_usec + 999) / 1000) : limit;
}
static inline int cares_is_readable(int bits, int index) { return ARES_GETSOCK_READABLE(bits, index) != 0; }
static inline int cares_is_writable(int bits, int index) { return ARES_GETSOCK_WRITABLE(bits, index) != 0; }
