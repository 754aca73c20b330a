//! Room: apiserver.
