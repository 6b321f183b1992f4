//! tests/house
