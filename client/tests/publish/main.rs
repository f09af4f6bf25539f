//! Publishing, against servers that do as a test tells them.

mod command;
mod media;
mod refusals;
mod room;
mod server;
mod simulcast;
mod studio;
mod trust;
