//! Datagrams to many destinations in one system call: `sendmmsg(2)`, which `quinn-udp` has not.

use std::array;
use std::io::{self, IoSlice};
use std::mem::{self, offset_of};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use socket2::SockAddr;

/// Most messages of one call.
pub(super) const MOST: usize = 32;

/// What leaves as one message: a datagram, or several of one size to one destination (generic segmentation offload).
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) destination: SocketAddr,
    /// What the kernel chooses, if none.
    pub(super) source: Option<IpAddr>,
    pub(super) contents: &'a [u8],
    /// Bytes of each datagram but the last, where there are several.
    pub(super) segment_size: Option<u16>,
}

/// Sends the first of `messages`, at most [`MOST`], and says how many the kernel took.
///
/// # Errors
/// What the kernel says of the first message; none was sent then. Where it refuses a later one, those before it count as sent.
pub(super) fn send<'a>(socket: BorrowedFd<'_>, messages: impl IntoIterator<Item = Message<'a>>) -> io::Result<usize> {
    // All that the kernel reads lies in this array, and stays where it is until the call is over.
    let mut messages = messages.into_iter();
    let parts: [Option<Parts<'a>>; MOST] = array::from_fn(|_| messages.next().map(Parts::of));
    let mut headers: [libc::mmsghdr; MOST] = array::from_fn(|_| zeroed());
    let mut count = 0;
    for (header, parts) in headers.iter_mut().zip(parts.iter().flatten()) {
        parts.show_in(&mut header.msg_hdr);
        count += 1;
    }
    #[expect(
        unsafe_code,
        reason = "no crate has this call with control messages of each datagram's own"
    )]
    // SAFETY: the first `count` headers point to `parts` and to what these borrow, each length is that of what is pointed to, and all of
    // it outlives the call, which writes to nothing but the headers.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count, 0) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// What the header of a message points to.
struct Parts<'a> {
    name: SockAddr,
    contents: IoSlice<'a>,
    controls: Controls,
    /// Where the part of `controls` that is shown starts and ends, in bytes.
    shown: Range<usize>,
}

impl<'a> Parts<'a> {
    fn of(message: Message<'a>) -> Self {
        Self {
            name: message.destination.into(),
            contents: IoSlice::new(message.contents),
            controls: Controls::new(&message),
            shown: Controls::part_for(&message),
        }
    }

    fn show_in(&self, header: &mut libc::msghdr) {
        header.msg_name = self.name.as_ptr().cast_mut().cast();
        header.msg_namelen = self.name.len();
        // An `IoSlice` is laid out as an `iovec`, by its documentation.
        header.msg_iov = ptr::from_ref(&self.contents).cast_mut().cast();
        header.msg_iovlen = 1;
        if !self.shown.is_empty() {
            let controls = ptr::from_ref(&self.controls).cast_mut();
            header.msg_control = controls.wrapping_byte_add(self.shown.start).cast();
            header.msg_controllen = self.shown.len() as _;
        }
    }
}

/// Control messages of one datagram, of which the kernel is shown a part: the source address of either family, with or without
/// the size of segments.
#[repr(C)]
struct Controls {
    source_v4: Control<libc::in_pktinfo>,
    segments: Control<u16>,
    source_v6: Control<libc::in6_pktinfo>,
}

impl Controls {
    fn new(message: &Message<'_>) -> Self {
        let mut source_v4 = libc::in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: libc::in_addr { s_addr: 0 },
            ipi_addr: libc::in_addr { s_addr: 0 },
        };
        let mut source_v6 = libc::in6_pktinfo {
            ipi6_addr: libc::in6_addr { s6_addr: [0; 16] },
            ipi6_ifindex: 0,
        };
        match message.source {
            Some(IpAddr::V4(ip)) => source_v4.ipi_spec_dst.s_addr = u32::from_ne_bytes(ip.octets()),
            Some(IpAddr::V6(ip)) => source_v6.ipi6_addr.s6_addr = ip.octets(),
            None => {}
        }
        Self {
            source_v4: Control::new(libc::IPPROTO_IP, libc::IP_PKTINFO, source_v4),
            segments: Control::new(libc::SOL_UDP, libc::UDP_SEGMENT, message.segment_size.unwrap_or(0)),
            source_v6: Control::new(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, source_v6),
        }
    }

    /// The part that `message` asks for.
    fn part_for(message: &Message<'_>) -> Range<usize> {
        let segments = offset_of!(Self, segments);
        let source_v6 = offset_of!(Self, source_v6);
        match (message.source, message.segment_size) {
            (None, None) => 0..0,
            (None, Some(_)) => segments..source_v6,
            (Some(IpAddr::V4(_)), None) => 0..segments,
            (Some(IpAddr::V4(_)), Some(_)) => 0..source_v6,
            (Some(IpAddr::V6(_)), None) => source_v6..size_of::<Self>(),
            (Some(IpAddr::V6(_)), Some(_)) => segments..size_of::<Self>(),
        }
    }
}

/// One control message as `cmsg(3)` lays it out: the data right behind a header whose size is a multiple of a word, and the next one at
/// the next word.
#[repr(C)]
struct Control<T> {
    header: libc::cmsghdr,
    data: T,
}

impl<T> Control<T> {
    fn new(level: libc::c_int, kind: libc::c_int, data: T) -> Self {
        let mut header: libc::cmsghdr = zeroed();
        header.cmsg_len = (offset_of!(Self, data) + size_of::<T>()) as _;
        header.cmsg_level = level;
        header.cmsg_type = kind;
        Self { header, data }
    }
}

/// A header that says nothing yet.
fn zeroed<T: Header>() -> T {
    #[expect(unsafe_code, reason = "some C libraries have padding in them that has no name here")]
    // SAFETY: the types below are integers and pointers, which may all be zero.
    unsafe {
        mem::zeroed()
    }
}

/// C structures of integers and pointers.
trait Header {}
impl Header for libc::mmsghdr {}
impl Header for libc::cmsghdr {}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    fn socket(ip: &str) -> UdpSocket {
        UdpSocket::bind((ip, 0)).expect("a socket")
    }

    fn received(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
        let mut buffer = [0; 2048];
        let (length, source) = socket.recv_from(&mut buffer).expect("a datagram");
        (buffer[..length].to_vec(), source)
    }

    fn to(destination: SocketAddr, contents: &[u8]) -> Message<'_> {
        Message {
            destination,
            source: None,
            contents,
            segment_size: None,
        }
    }

    #[test]
    fn each_destination_gets_its_own_from_the_source_that_was_asked_for() {
        let sender = socket("0.0.0.0");
        let port = sender.local_addr().expect("an address").port();
        let receivers: Vec<_> = (0..3).map(|_| socket("127.0.0.1")).collect();
        let at = |index: usize| receivers[index].local_addr().expect("an address");
        let messages = [
            to(at(0), b"plain"),
            Message {
                source: Some([127, 0, 0, 7].into()),
                ..to(at(1), b"from seven")
            },
            Message {
                source: Some([127, 0, 0, 8].into()),
                segment_size: Some(4),
                ..to(at(2), b"one.two.3")
            },
        ];
        assert_eq!(send(sender.as_fd(), messages).expect("sent"), 3);
        assert_eq!(
            received(&receivers[0]),
            (b"plain".to_vec(), ([127, 0, 0, 1], port).into())
        );
        assert_eq!(
            received(&receivers[1]),
            (b"from seven".to_vec(), ([127, 0, 0, 7], port).into())
        );
        for segment in [&b"one."[..], b"two.", b"3"] {
            assert_eq!(
                received(&receivers[2]),
                (segment.to_vec(), ([127, 0, 0, 8], port).into())
            );
        }
    }

    #[test]
    fn it_goes_the_same_way_by_ipv6() {
        let (sender, receiver) = (socket("::"), socket("::1"));
        let source: SocketAddr = (
            std::net::Ipv6Addr::LOCALHOST,
            sender.local_addr().expect("an address").port(),
        )
            .into();
        let message = Message {
            source: Some(source.ip()),
            ..to(receiver.local_addr().expect("an address"), b"abcabcab")
        };
        let segmented = Message {
            segment_size: Some(3),
            ..message
        };
        assert_eq!(send(sender.as_fd(), [message, segmented]).expect("sent"), 2);
        for contents in [&b"abcabcab"[..], b"abc", b"abc", b"ab"] {
            assert_eq!(received(&receiver), (contents.to_vec(), source));
        }
    }

    #[test]
    fn those_before_one_that_is_refused_are_sent_and_counted() {
        let (sender, receiver) = (socket("127.0.0.1"), socket("127.0.0.1"));
        let good = to(receiver.local_addr().expect("an address"), b"good");
        let bad = to(
            "127.0.0.1:0".parse().expect("an address"),
            b"to port 0, which nobody has",
        );
        assert_eq!(send(sender.as_fd(), [good, bad, good]).expect("sent"), 1);
        assert_eq!(received(&receiver).0, b"good");
        let error = send(sender.as_fd(), [bad, good]).expect_err("refused");
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
    }

    #[test]
    fn no_more_leave_than_one_call_takes() {
        let (sender, receiver) = (socket("127.0.0.1"), socket("127.0.0.1"));
        let messages = [to(receiver.local_addr().expect("an address"), b"x"); MOST + 5];
        assert_eq!(send(sender.as_fd(), messages).expect("sent"), MOST);
        assert_eq!(send(sender.as_fd(), []).expect("sent"), 0);
    }
}
