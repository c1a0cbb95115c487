//! What goes on for a while: following, riding.

use crate::failure::Failure;
use orders::{Follower, Instruction, OrdersClient, Progress, Rider, Stage};
use std::{process::ExitCode, time::Duration};

/// Prints a line for each stage until the order is delivered.
pub(crate) async fn follow(client: OrdersClient, number: String) -> Result<ExitCode, Failure> {
    let mut follower = Follower::new(client, number);
    let mut accepted = None;
    while let Some(Progress { stage, at, rider }) = follower.next().await? {
        let since = at.duration_since(*accepted.get_or_insert(at)).unwrap_or_default();
        let rider = rider.map_or_else(String::new, |rider| format!(" ({rider})"));
        println!("{:>7.1} s  {}{rider}", since.as_secs_f64(), in_words(stage));
    }
    Ok(ExitCode::SUCCESS)
}

fn in_words(stage: Stage) -> &'static str {
    match stage {
        Stage::Accepted => "accepted",
        Stage::Cooked => "cooked",
        Stage::Assigned => "a rider comes",
        Stage::PickedUp => "picked up",
        Stage::Delivered => "delivered",
    }
}

/// Carries one order after the other.
pub(crate) async fn ride(client: OrdersClient, name: String, every: Duration, wait: bool) -> Result<ExitCode, Failure> {
    let mut rider = Rider::new(client, name);
    loop {
        let instruction = rider.report().await?;
        match &instruction {
            Instruction::Wait if !wait => break,
            Instruction::Wait => {}
            Instruction::PickUp { number, store } => println!("{number}: to the store, {store}"),
            Instruction::Deliver { number, address } => println!("{number}: to the door, {address}"),
        }
        tokio::time::sleep(every).await;
        rider.go(&instruction);
    }
    rider.rest().await?;
    println!("there is nothing to carry now; orders that still cook are for the next ride, or for one with --wait");
    Ok(ExitCode::SUCCESS)
}
