// Sources/CLinux/shim.h: epoll and eventfd, which Swift's Glibc module leaves out.
#pragma once
#include <stddef.h>
#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

static inline int clinux_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }
static inline int clinux_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

// Arms `fd` for one event; a descriptor that was closed meanwhile has left the set, so MOD and ADD are both normal.
static inline int clinux_arm(int epoll, int fd, uint32_t events, uint64_t token) {
    struct epoll_event event = {.events = events | EPOLLONESHOT, .data = {.u64 = token}};
    if (epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) == 0) return 0;
    if (errno != ENOENT) return errno;
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}
static inline int clinux_watch(int epoll, int fd, uint32_t events, uint64_t token) {
    struct epoll_event event = {.events = events, .data = {.u64 = token}};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}
static inline void clinux_disarm(int epoll, int fd) { (void)epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL); }
static inline int clinux_wait(int epoll, uint64_t *tokens, int capacity, int milliseconds) {
    struct epoll_event events[64];
    int count = epoll_wait(epoll, events, capacity < 64 ? capacity : 64, milliseconds);
    for (int i = 0; i < count; i++) tokens[i] = events[i].data.u64;
    return count;
}
static inline void clinux_wake(int eventfd_fd) { eventfd_write(eventfd_fd, 1); }
static inline void clinux_drain(int eventfd_fd) { eventfd_t value; (void)eventfd_read(eventfd_fd, &value); }
static inline void clinux_name_thread(void) { (void)prctl(PR_SET_NAME, "reactor", 0, 0, 0); }
