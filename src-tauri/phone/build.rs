//! Declares the plugin's commands, so that each needs a permission, and its Android library, which the app's project includes.

include!("src/command_names.rs");

fn main() {
    println!("cargo:rerun-if-changed=src/command_names.rs");
    tauri_plugin::Builder::new(COMMANDS).android_path("android").build();
}
