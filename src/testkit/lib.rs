//! Room: testkit.
