//! Sound: sources, resampling, encoder.
