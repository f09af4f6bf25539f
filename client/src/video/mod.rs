//! Pictures: sources, conversion, encoder.
