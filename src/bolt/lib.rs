//! Room: bolt.
