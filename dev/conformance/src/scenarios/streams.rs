//! A call ends when its body ends.

use crate::{
    columns::{Column, Plan},
    lab::Lab,
    scenario::{Scenario, Verdict, scenarios},
};
use std::sync::Arc;

pub(super) const ALL: &[Scenario] = scenarios![
    "a stream of replies arrives whole and in order" => replies_arrive,
];

async fn replies_arrive(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    for last in [0, 1, 1000] {
        let mut stream = site.lab.count(last).await.unwrap();
        for expected in 1..=last {
            assert_eq!(stream.next().await.expect("the stream ended early").unwrap(), expected, "of {last}");
        }
        assert!(stream.next().await.is_none(), "more than {last}");
    }
    Ok(())
}
