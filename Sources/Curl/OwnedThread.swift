// One thread of our own, because libcurl brings its own loop and the cooperative pool must not wait in it.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A running thread that somebody has to join or let go.
@safe struct OwnedThread: Sendable {
    private let id: UInt

    /// - Returns: nil when the system gives no thread.
    init?(_ body: @escaping @Sendable () -> Void) {
        let start = unsafe Unmanaged.passRetained(Start(body))
        #if canImport(Darwin)
            var thread: pthread_t?
        #else
            var thread = pthread_t()
        #endif
        let code = unsafe pthread_create(&thread, nil, begin, start.toOpaque())
        guard code == 0 else {
            unsafe start.release()
            return nil
        }
        #if canImport(Darwin)
            id = unsafe UInt(bitPattern: thread)
        #else
            id = thread
        #endif
    }

    /// Waits for the end of the thread. Called when its body is known to have returned, so it waits for microseconds.
    func join() {
        #if canImport(Darwin)
            if let thread = unsafe pthread_t(bitPattern: id) { unsafe _ = pthread_join(thread, nil) }
        #else
            _ = pthread_join(id, nil)
        #endif
    }

    /// Gives the thread back to the system when it ends.
    func release() {
        #if canImport(Darwin)
            if let thread = unsafe pthread_t(bitPattern: id) { unsafe _ = pthread_detach(thread) }
        #else
            _ = pthread_detach(id)
        #endif
    }
}

/// What the new thread is to do; carried through the C call as a retained reference.
private final class Start {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

#if canImport(Darwin)
    private func begin(_ context: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
        unsafe Unmanaged<Start>.fromOpaque(context).takeRetainedValue().body()
        return nil
    }
#else
    private func begin(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        if let context = unsafe context { unsafe Unmanaged<Start>.fromOpaque(context).takeRetainedValue().body() }
        return nil
    }
#endif
