//! What is freed goes back to the system.

#![allow(unsafe_code)]

/// Larger pieces are mapped one by one, and unmapped when they are freed. In bytes.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 1 << 20;

/// Without this glibc raises its threshold with each large piece that is freed, up to 32 MiB, and keeps such pieces for
/// each of its arenas: a few dozen logins with 19 MiB each would stay resident for ever (mallopt(3), `M_MMAP_THRESHOLD`).
#[cfg(target_env = "gnu")]
pub fn give_back() {
    // SAFETY: it changes a number of the allocator, under the allocator's own lock.
    // It refuses only what is out of bounds.
    let _ = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) };
}

/// Other allocators have no such threshold.
#[cfg(not(target_env = "gnu"))]
pub fn give_back() {}
