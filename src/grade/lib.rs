//! Room: grade.
