//! What a second instance of the app does: it gives its arguments to the first one, and ends.
//!
//! On Linux this comes before anything else is set up. The plugin for single instances does it once GTK is there, and then ends the
//! process beneath GTK's threads, of which one in a hundred does not survive that.

use zbus::blocking::Connection;

/// Gives this program's arguments to the instance that runs already. Whether there is one.
///
/// The name, the path and the method are those of `tauri-plugin-single-instance`, which answers them in the first instance.
pub(crate) fn to_first_instance(identifier: &str) -> bool {
    let name = format!("{identifier}.SingleInstance");
    let path = format!("/{}", name.replace('.', "/").replace('-', "_"));
    let arguments: Vec<String> = std::env::args_os()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let folder = std::env::current_dir().unwrap_or_default();
    let handed = Connection::session().and_then(|bus| {
        bus.call_method(
            Some(name.as_str()),
            path.as_str(),
            Some("org.SingleInstance.DBus"),
            "ExecuteCallback",
            &(arguments, folder.to_string_lossy().as_ref()),
        )
    });
    match handed {
        Ok(_) => true,
        // Nobody has that name, or there is no bus.
        Err(error) => {
            tracing::debug!(%error, "this is the first instance");
            false
        }
    }
}
