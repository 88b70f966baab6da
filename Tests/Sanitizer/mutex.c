// Tells the thread sanitizer what happens in the slow paths of Swift's Mutex.
//
// A Mutex that nobody waits for is one atomic exchange in the caller's own code, which the sanitizer sees. One that somebody waits for is
// handed over by the kernel (a futex with priority inheritance), inside a library that is not built with the sanitizer: it sees no order
// there, and calls what the lock protects a race. Loaded before libswiftSynchronization, this does the same and says acquire and release.
//
// Source: the exported symbols of libswiftSynchronization (Swift 6.2, 6.3); `self` comes in the context register of Swift's convention.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define SWIFT __attribute__((swiftcall))
#define CONTEXT __attribute__((swift_context))

// Only in programs that are built with the sanitizer; others that a test starts are left as they are.
extern void __tsan_acquire(void *address) __attribute__((weak));
extern void __tsan_release(void *address) __attribute__((weak));

static void *next(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) abort();
    return found;
}

#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define TRY "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

SWIFT void agent_lock_slow(uint32_t thread, CONTEXT void *mutex) __asm__(LOCK);
SWIFT bool agent_try_slow(CONTEXT void *mutex) __asm__(TRY);
SWIFT void agent_unlock_slow(CONTEXT void *mutex) __asm__(UNLOCK);

SWIFT void agent_lock_slow(uint32_t thread, CONTEXT void *mutex) {
    ((SWIFT void (*)(uint32_t, CONTEXT void *))next(LOCK))(thread, mutex);
    if (__tsan_acquire) __tsan_acquire(mutex);
}

SWIFT bool agent_try_slow(CONTEXT void *mutex) {
    bool got = ((SWIFT bool (*)(CONTEXT void *))next(TRY))(mutex);
    if (got && __tsan_acquire) __tsan_acquire(mutex);
    return got;
}

SWIFT void agent_unlock_slow(CONTEXT void *mutex) {
    if (__tsan_release) __tsan_release(mutex);
    ((SWIFT void (*)(CONTEXT void *))next(UNLOCK))(mutex);
}
