//! What each fuzz target does with its input: a plain function, so that the stable toolchain can run it too.
//!
//! A body panics where something is wrong and does nothing else that can be seen. `cargo test` runs each on its seeds
//! and on a few thousand mutations of them; `cargo fuzz` looks further.

mod engine;
mod tcp;
mod text;

pub use engine::{datagram, media, sdp_offer};
pub use tcp::tcp_frames;
pub use text::{client_message, config, identifier, quantities, sdp_fragment, strip};

/// A body and its name, which is that of its folder of seeds.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// As `cargo fuzz` knows it.
    pub name: &'static str,
    /// Takes any bytes.
    pub body: fn(&[u8]),
    /// Mutations that a quick test has time for: a body that negotiates a connection takes milliseconds.
    pub quick_mutations: u32,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "client_message",
        body: client_message,
        quick_mutations: 5_000,
    },
    Target {
        name: "config",
        body: config,
        quick_mutations: 5_000,
    },
    Target {
        name: "datagram",
        body: datagram,
        quick_mutations: 200,
    },
    Target {
        name: "identifier",
        body: identifier,
        quick_mutations: 5_000,
    },
    Target {
        name: "media",
        body: media,
        quick_mutations: 100,
    },
    Target {
        name: "quantities",
        body: quantities,
        quick_mutations: 5_000,
    },
    Target {
        name: "sdp_fragment",
        body: sdp_fragment,
        quick_mutations: 5_000,
    },
    Target {
        name: "sdp_offer",
        body: sdp_offer,
        quick_mutations: 1_000,
    },
    Target {
        name: "strip",
        body: strip,
        quick_mutations: 2_000,
    },
    Target {
        name: "tcp_frames",
        body: tcp_frames,
        quick_mutations: 300,
    },
];
