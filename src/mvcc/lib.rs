//! Room: mvcc.
