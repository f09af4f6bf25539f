//! The pages that were built into the app, and words for where they are missing.

use std::borrow::Cow;

use rust_embed::RustEmbed;
use tauri::utils::assets::{AssetKey, AssetsIter, CspHash};
use tauri::{Assets, Runtime};

/// The user interface, the same that the server serves. In a development build it is read from the folder at each request,
/// so that the app need not be built again for a changed page.
#[derive(RustEmbed)]
#[folder = "../client-ui/dist"]
#[allow_missing = true]
struct Files;

/// The interface's one page, whose script draws what the path names.
const INDEX: &str = "index.html";

/// Shown where the app was built without the pages, as `cargo build` alone does.
const NO_INTERFACE: &str = include_str!("no_interface.html");

/// Answers what the window asks for. Paths that name no file lead to the index: Tauri asks for it by itself.
#[derive(Debug)]
pub(crate) struct Interface;

impl<R: Runtime> Assets<R> for Interface {
    fn get(&self, key: &AssetKey) -> Option<Cow<'_, [u8]>> {
        let path = key.as_ref().trim_start_matches('/');
        match Files::get(path) {
            Some(file) => Some(file.data),
            None if path == INDEX => Some(Cow::Borrowed(NO_INTERFACE.as_bytes())),
            None => None,
        }
    }

    fn iter(&self) -> Box<AssetsIter<'_>> {
        Box::new(Files::iter().filter_map(|path| Some((path.clone(), Files::get(&path)?.data))))
    }

    /// None: the pages have no inline script.
    fn csp_hashes(&self, _: &AssetKey) -> Box<dyn Iterator<Item = CspHash<'_>> + '_> {
        Box::new(std::iter::empty())
    }
}

#[cfg(test)]
mod tests {
    use tauri::test::MockRuntime;

    use super::*;

    fn get(path: &str) -> Option<String> {
        let content = Assets::<MockRuntime>::get(&Interface, &path.into())?;
        Some(String::from_utf8_lossy(&content).into_owned())
    }

    #[test]
    fn there_is_always_an_index_and_never_a_file_outside_the_pages() {
        assert!(
            get("/index.html")
                .expect("an index")
                .contains("<title>Footlight</title>")
        );
        for path in ["/../Cargo.toml", "/..%2f..%2fCargo.toml", "/nothing.js"] {
            assert_eq!(get(path), None, "{path}");
        }
    }
}
