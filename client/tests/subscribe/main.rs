//! Subscribing, against a server of another make that forwards what our own publisher sends.

mod flow;
mod loss;
mod negotiation;
mod server;
mod viewer;
