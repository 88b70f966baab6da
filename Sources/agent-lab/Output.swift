// Standard output carries data, standard error everything else.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Writes one line to standard error.
func printError(_ text: String) {
    let line = Array("agent-lab: \(text)\n".utf8)
    _ = unsafe write(STDERR_FILENO, line, line.count)
}

/// Hands what was printed to the reader at once: standard output may be a pipe that a script waits on.
func flushOutput() { _ = fflush(nil) }
