//! Channels over made-up wires, with a made-up clock.

mod calls;
mod connections;
mod ejection;
mod keys;
mod simulation;
mod world;
