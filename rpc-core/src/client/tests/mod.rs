//! Channels over made-up wires, with a made-up clock.

mod calls;
mod connections;
mod departures;
mod ejection;
mod hedges;
mod keys;
mod places;
mod secure;
mod simulation;
mod streams;
mod world;
