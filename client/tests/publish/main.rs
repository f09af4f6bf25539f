//! Publishing, against servers that do as a test tells them.

mod media;
mod refusals;
mod server;
mod trust;
