//! What we ask of the kernel for an ICMP socket, besides what surge-ping does.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use socket2::{SockRef, Type};
use surge_ping::{Client, ICMP};

/// Room for some 5,000 replies; the kernel cuts it down to `net.core.rmem_max` without a word.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;

/// ICMPv4 types we want: echo reply, destination unreachable, time exceeded.
const WANTED_V4: [u8; 3] = [0, 3, 11];
/// ICMPv6 types we want: destination unreachable, time exceeded, echo reply.
const WANTED_V6: [u8; 3] = [1, 3, 129];

/// `ICMP_FILTER` of linux/icmp.h: one option of level `SOL_RAW`.
const ICMP_FILTER: libc::c_int = 1;
/// `ICMPV6_FILTER` of linux/icmpv6.h.
const ICMPV6_FILTER: libc::c_int = 1;

/// Enlarges the receive buffer, and has a raw socket deliver only the types we want. A raw socket gets a
/// copy of all ICMP of the host; worse, a redirect would pass for the reply to the echo it quotes.
pub fn set(client: &Client, version: ICMP) -> io::Result<()> {
    let socket = client.get_socket();
    // SAFETY: the descriptor is open and stays so while `socket`, which shares its ownership, lives:
    // until the end of this function, longer than the borrow.
    let descriptor = unsafe { BorrowedFd::borrow_raw(socket.get_native_sock()) };
    SockRef::from(&descriptor).set_recv_buffer_size(RECEIVE_BUFFER)?;
    if socket.get_type() != Type::RAW {
        return Ok(());
    }
    match version {
        ICMP::V4 => set_option(descriptor, libc::SOL_RAW, ICMP_FILTER, &blocked::<1>(&WANTED_V4)),
        ICMP::V6 => set_option(descriptor, libc::SOL_ICMPV6, ICMPV6_FILTER, &blocked::<8>(&WANTED_V6)),
    }
}

/// A filter as the kernel takes it: a set bit blocks its type.
fn blocked<const WORDS: usize>(wanted: &[u8]) -> [u32; WORDS] {
    let mut bits = [u32::MAX; WORDS];
    for kind in wanted {
        bits[usize::from(kind / 32)] &= !(1 << (kind % 32));
    }
    bits
}

fn set_option<const WORDS: usize>(socket: BorrowedFd<'_>, level: libc::c_int, name: libc::c_int, value: &[u32; WORDS]) -> io::Result<()> {
    let length = size_of_val(value) as libc::socklen_t;
    // SAFETY: the kernel reads `length` bytes at `value`, which is exactly what the array has.
    let done = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value.as_ptr().cast(), length) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wanted_types_pass() {
        assert_eq!(blocked::<1>(&WANTED_V4), [!0b1000_0000_1001]);
        let v6 = blocked::<8>(&WANTED_V6);
        assert_eq!((v6[0], v6[4]), (!0b1010, !0b10));
        assert!([1, 2, 3, 5, 6, 7].iter().all(|word| v6[*word] == u32::MAX));
    }
}
