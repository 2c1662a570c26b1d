//! What the crate promises to the engine, through its public interface.

#[path = "features/bounds.rs"]
mod bounds;
#[path = "features/log_lines.rs"]
mod log_lines;
#[path = "features/order.rs"]
mod order;
#[path = "features/rarity.rs"]
mod rarity;
#[path = "features/reactive.rs"]
mod reactive;
#[path = "features/row.rs"]
mod row;
#[path = "features/world.rs"]
mod world;
