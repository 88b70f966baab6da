// Loaded before libc by tests that need a wall clock that jumps or a disk that is full, in a program that knows nothing of it.
//
// AGENT_PRELOAD_STATE names a file of 16 bytes that the test writes while the program runs: a 64-bit number of seconds to add to the
// wall clock, and a 64-bit flag that makes the folder AGENT_PRELOAD_FOLDER a full disk. The monotonic clocks are left alone, as the
// kernel leaves them alone when somebody sets the time.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct state {
    volatile int64_t wall_seconds;
    volatile int64_t is_full;
};

static struct state none;
static struct state *state = &none;
static const char *folder = "";

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("AGENT_PRELOAD_STATE");
    const char *disk = getenv("AGENT_PRELOAD_FOLDER");
    if (disk) folder = strdup(disk);
    if (!name) return;
    int file = open(name, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    void *place = mmap(NULL, sizeof(struct state), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (place != MAP_FAILED) state = place;
}

// The wall clock.

int clock_gettime(clockid_t clock, struct timespec *time) {
    // The system call itself: the function behind this one may not have been looked up yet when the first caller comes.
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) time->tv_sec += state->wall_seconds;
    return result;
}

time_t time(time_t *place) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (place) *place = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *place, void *zone) {
    (void)zone;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    place->tv_sec = now.tv_sec;
    place->tv_usec = now.tv_nsec / 1000;
    return 0;
}

// The disk.

static int is_inside(const char *path) { return *folder && strncmp(path, folder, strlen(folder)) == 0; }

static int has_no_room(int file) {
    if (!state->is_full) return 0;
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return is_inside(path);
}

// What lies inside a file is there to be overwritten, on a full disk too.
static int would_grow(int file, off64_t end) {
    struct stat status;
    return has_no_room(file) && fstat(file, &status) == 0 && end > status.st_size;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define REFUSE_IF(condition) do { if (condition) { errno = ENOSPC; return -1; } } while (0)

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
    REFUSE_IF(would_grow(file, offset + (off64_t)count));
    return NEXT(pwrite64)(file, bytes, count, offset);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
    REFUSE_IF(would_grow(file, offset + (off64_t)count));
    return NEXT(pwrite)(file, bytes, count, offset);
}

ssize_t write(int file, const void *bytes, size_t count) {
    REFUSE_IF(state->is_full && would_grow(file, lseek64(file, 0, SEEK_CUR) + (off64_t)count));
    return NEXT(write)(file, bytes, count);
}

int ftruncate64(int file, off64_t size) {
    REFUSE_IF(would_grow(file, size));
    return NEXT(ftruncate64)(file, size);
}

int ftruncate(int file, off_t size) {
    REFUSE_IF(would_grow(file, size));
    return NEXT(ftruncate)(file, size);
}

int posix_fallocate64(int file, off64_t offset, off64_t size) {
    if (would_grow(file, offset + size)) return ENOSPC;
    return NEXT(posix_fallocate64)(file, offset, size);
}

static int opened(int (*next)(const char *, int, ...), const char *path, int flags, mode_t mode) {
    REFUSE_IF(state->is_full && (flags & O_CREAT) && is_inside(path) && access(path, F_OK) != 0);
    return next(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    mode_t mode = va_arg(list, mode_t);
    va_end(list);
    return opened(NEXT(open64), path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    mode_t mode = va_arg(list, mode_t);
    va_end(list);
    return opened(NEXT(open), path, flags, mode);
}
