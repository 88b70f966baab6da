// Tokens live in the memory of this process: nobody else reads it.
import CLinux

/// What protects the memory of the process.
package enum ProcessMemory {
    /// Core files and other processes' looks (`ptrace`) are refused, whatever `core_pattern` says. Source: prctl(2), PR_SET_DUMPABLE.
    package static func hide() { clinux_hide_memory() }
}
