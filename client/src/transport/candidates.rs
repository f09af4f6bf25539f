//! Where this end can be reached, and how a server's candidates are taken.

use std::net::IpAddr;

use webrtc::peer_connection::RTCIceCandidateInit;

/// A server has an address or two of each family; each candidate costs a connection.
const MAX_TCP_CANDIDATES: usize = 16;

/// Where sockets are opened: on every interface, and on the loopback one where the server is on this machine.
pub(crate) fn local_addresses(host: &str) -> Vec<String> {
    let host = host.trim_matches(['[', ']']);
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let loopback = is_here.then_some(["127.0.0.1:0", "[::1]:0"]);
    let everywhere = ["0.0.0.0:0", "[::]:0"];
    loopback
        .into_iter()
        .flatten()
        .chain(everywhere)
        .map(str::to_owned)
        .collect()
}

/// The offer without candidates that nobody can connect to: addresses that stand for "any", which appear where an
/// interface family has no address, and TCP's passive ones, since the server never connects to a client.
pub(crate) fn presentable(sdp: &str) -> String {
    let unusable = |line: &&str| {
        line.starts_with("a=candidate:")
            && (line.contains(" 0.0.0.0 ") || line.contains(" :: ") || line.contains("tcptype passive"))
    };
    sdp.split_inclusive('\n').filter(|line| !unusable(line)).collect()
}

/// An answer without its TCP candidates, and those, each once: bundled sections may repeat them (RFC 8843 §7.1.1).
pub(crate) fn without_tcp(answer: &str) -> (String, Vec<RTCIceCandidateInit>) {
    let is_tcp = |line: &str| line.starts_with("a=candidate:") && line.split(' ').nth(2).is_some_and(is_tcp_transport);
    let (tcp, rest): (Vec<_>, Vec<_>) = answer.split_inclusive('\n').partition(|line| is_tcp(line));
    let mut lines: Vec<&str> = tcp
        .into_iter()
        .map(|line| line.trim_start_matches("a=").trim_end())
        .collect();
    lines.sort_unstable();
    lines.dedup();
    let candidate = |line: &str| RTCIceCandidateInit {
        candidate: line.to_owned(),
        // All media is bundled into the first section.
        sdp_mline_index: Some(0),
        ..Default::default()
    };
    (
        rest.concat(),
        lines.into_iter().take(MAX_TCP_CANDIDATES).map(candidate).collect(),
    )
}

fn is_tcp_transport(transport: &str) -> bool {
    transport.eq_ignore_ascii_case("tcp")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_this_machine_is_reached_over_loopback_too() {
        assert!(local_addresses("[::1]").contains(&"[::1]:0".to_owned()));
        assert!(local_addresses("127.0.0.1").contains(&"127.0.0.1:0".to_owned()));
        assert_eq!(local_addresses("192.0.2.1"), ["0.0.0.0:0", "[::]:0"]);
    }

    #[test]
    fn tcp_candidates_are_taken_out_of_an_answer_once_each() {
        let tcp = "a=candidate:2 1 tcp 9 192.0.2.1 8444 typ host tcptype passive\r\n";
        let udp = "a=candidate:1 1 udp 9 192.0.2.1 8444 typ host\r\n";
        let (rest, candidates) = without_tcp(&format!("v=0\r\n{tcp}{udp}m=video\r\n{tcp}"));
        assert_eq!(rest, format!("v=0\r\n{udp}m=video\r\n"));
        let [candidate] = candidates.as_slice() else {
            panic!("{candidates:?}");
        };
        assert_eq!(
            candidate.candidate,
            "candidate:2 1 tcp 9 192.0.2.1 8444 typ host tcptype passive"
        );
    }

    #[test]
    fn candidates_that_nobody_can_use_are_not_offered() {
        let sdp = "v=0\r\na=candidate:1 1 udp 1 0.0.0.0 5 typ host\r\na=candidate:2 1 udp 1 10.0.0.1 5 typ host\r\n\
                   a=candidate:3 1 tcp 1 10.0.0.1 5 typ host tcptype passive\r\n\
                   a=candidate:4 1 tcp 1 10.0.0.1 9 typ host tcptype active\r\n";
        let kept = presentable(sdp);
        assert_eq!(kept.matches("a=candidate").count(), 2);
        assert!(
            kept.contains("10.0.0.1 5 typ host\r\n") && kept.contains("tcptype active"),
            "{kept}"
        );
    }
}
