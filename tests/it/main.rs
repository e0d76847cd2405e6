//! The integration tests: one binary, a module per room.

#[cfg(test)]
mod house;
