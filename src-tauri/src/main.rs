//! The desktop program; everything it does is in the library, which a phone's project links as well.

// No console window beside the app's own on Windows, except where somebody looks for one.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

use std::process::ExitCode;

fn main() -> ExitCode {
    match footlight_app_lib::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("footlight-app: {error}");
            ExitCode::FAILURE
        }
    }
}
