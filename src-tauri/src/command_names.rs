// Included by `build.rs` as well, which declares them.

/// Every command of the app.
const COMMANDS: &[&str] = &[
    "start",
    "set_name",
    "nearby_servers",
    "connect",
    "serve",
    "leave",
    "believe_certificate",
    "ask_server",
    "open_socket",
    "send_frame",
    "acknowledge_frames",
    "close_socket",
    "listen",
    "set_live",
    "notify",
    "stay",
    "quit",
];
