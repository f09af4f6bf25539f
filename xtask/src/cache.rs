//! Where tools and downloads are kept between runs, outside the checkout.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// The folder, which need not exist.
pub(crate) fn folder() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from);
    let base = base.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    Ok(base.context("there is no home directory")?.join("footlight"))
}
