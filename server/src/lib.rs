//! Placeholder.
pub mod config;
pub mod data_dir;
pub mod rooms;
pub mod token;
