#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What happens when somebody interrupts the command.
enum Signals {
  /// Ends the process with status 130 on SIGINT; SIGTERM and SIGPIPE keep ending it silently.
  ///
  /// Leaving at once is safe: an unfinished output has no name yet, so the system removes it.
  static func install() {
    // A shell starts background jobs with SIGINT ignored; keep it so.
    let previous = signal(SIGINT, SIG_IGN)
    if unsafeBitCast(previous, to: Int.self) != unsafeBitCast(SIG_IGN, to: Int.self) {
      signal(SIGINT) { _ in
        // Only calls that are safe in a signal handler: leave the line of the progress bar, then the process.
        if isatty(STDERR_FILENO) == 1 { write(STDERR_FILENO, "\n", 1) }
        _exit(130)
      }
    }
    // A process started from a worker thread of its parent inherits that thread's mask, which may block both.
    var interrupting = sigset_t()
    sigemptyset(&interrupting)
    sigaddset(&interrupting, SIGINT)
    sigaddset(&interrupting, SIGTERM)
    sigprocmask(SIG_UNBLOCK, &interrupting, nil)
    // `dpq get … | head` ends quietly even under a parent that ignores SIGPIPE.
    signal(SIGPIPE, SIG_DFL)
    // A file beyond the size that is allowed becomes an error of writing.
    signal(SIGXFSZ, SIG_IGN)
  }
}
