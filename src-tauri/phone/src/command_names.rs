// Included by `build.rs` and the tests as well.

/// Every command of the plugin.
const COMMANDS: &[&str] = &["start_live_service", "stop_live_service"];
