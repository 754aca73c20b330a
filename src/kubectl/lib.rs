//! Room: kubectl.
