//! A lane against scripted channels.

mod permits;
mod sends;
