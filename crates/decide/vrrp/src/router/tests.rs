//! Tests of one router.
