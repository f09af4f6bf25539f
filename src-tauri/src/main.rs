//! The desktop program; everything it does is in the library, which a phone's project links as well.

// No console window beside the app's own on Windows, except where somebody looks for one.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    draw_without_a_gpu();
    match footlight_app_lib::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("footlight-app: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Where there is no GPU, as in virtual machines, the web view's renderer for GPUs may show an empty window. Whoever has set the
/// variable knows better.
#[cfg(target_os = "linux")]
fn draw_without_a_gpu() {
    const WITHOUT: &str = "WEBKIT_DISABLE_DMABUF_RENDERER";
    if std::path::Path::new("/dev/dri").exists() || std::env::var_os(WITHOUT).is_some() {
        return;
    }
    // SAFETY: nothing else runs yet that could read the environment meanwhile.
    #[expect(unsafe_code, reason = "WebKit reads it from the environment alone")]
    unsafe {
        std::env::set_var(WITHOUT, "1");
    }
}
